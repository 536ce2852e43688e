"""Which schedule is best for a model?

- :mod:`hso.comparison.subjects`: what is sampled
- :mod:`hso.comparison.contestants`: the schedules that compete
- :mod:`hso.comparison.runs`: settings, plan, work and judgement, in a folder where a stopped run goes on
- :mod:`hso.comparison.statistics`: figures and their intervals
- :mod:`hso.comparison.report`: what came out, as data, a page and pictures
"""
