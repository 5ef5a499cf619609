"""Figures on speed and accuracy: each module prints them with the machine, and is never imported by the product."""
