"""The sources of the activity gate: what tells that a build, a pull or a runner's job is under way."""
