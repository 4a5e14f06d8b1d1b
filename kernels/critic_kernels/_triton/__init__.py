"""Private helpers that kernels share. Imported only where a Triton kernel was chosen."""
