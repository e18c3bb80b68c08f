"""Evenkeel: write a strategy once; backtest it, paper-trade it, trade it live."""
