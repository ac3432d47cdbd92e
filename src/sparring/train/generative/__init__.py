"""Defences that learn together with a generator."""
