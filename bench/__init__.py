"""Benchmarks: ``make bench`` runs them all and prints one table. Peers are measured in the same run."""
