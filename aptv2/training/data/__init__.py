"""What training reads: pose crops, detection scenes, tracking pairs, and packs of crops."""
