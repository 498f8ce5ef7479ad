"""Well-known losses, written with their parts named: which one is it, and which part of its gradient is wrong?"""
