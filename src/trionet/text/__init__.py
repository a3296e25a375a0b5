"""Text that is safe to display: the rules, and the character tables behind them. Pure."""
