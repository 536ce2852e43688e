"""Adapters that make a program that samples use a schedule, exactly or not at all. One package for each host."""
