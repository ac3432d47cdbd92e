"""People on the red team: a local page to attack by hand, judge what comes back and add it to the case book."""
