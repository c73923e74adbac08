"""``lakewarden demo``: the walkthrough, on real data, through unmodified AWS clients."""
