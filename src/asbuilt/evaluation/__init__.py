"""Cases, runs, load and verdicts: does the system hold its targets?"""
