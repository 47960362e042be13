"""How the questions of the audit are asked: `questions` has the tables, `answers` who answers."""
