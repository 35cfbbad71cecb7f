"""Knowledge sources, one file each."""
