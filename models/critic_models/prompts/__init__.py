"""How good an optimised prompt is: a judge's probabilities, and checks that need no judge."""
