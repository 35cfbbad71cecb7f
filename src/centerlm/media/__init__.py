"""Pictures, recordings and videos: decoded a little at a time, and told as timed observations."""
