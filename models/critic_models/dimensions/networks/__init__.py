"""Networks that dimensions need, written from their papers; they load the official checkpoints."""
