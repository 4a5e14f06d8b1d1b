"""How good a critic is, measured: figures with intervals, a report, a verdict, golden scores."""
