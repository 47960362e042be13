"""The forms of an audit's report, each made of its public form (`schema`)."""
