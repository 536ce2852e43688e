"""Which schedule is best for a model: subjects, contestants, statistics, runs that resume, and reports."""
