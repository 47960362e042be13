"""The record of the runs of a job, and whether its archives are as they should be."""
