"""MEDAL (Sharma, Ahmad & Finn 2022, arXiv 2205.05212)."""
