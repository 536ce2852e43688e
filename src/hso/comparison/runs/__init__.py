"""The runs of a comparison: settings, plan and work.

Several processes can share the work. It can be stopped at any time and continued later.
"""
