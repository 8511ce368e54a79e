"""From a checkpoint to scores: pose, tracked pose and trackers alone."""
