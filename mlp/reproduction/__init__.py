"""Many runs: the reports' experiments, their tables, figures and findings."""
