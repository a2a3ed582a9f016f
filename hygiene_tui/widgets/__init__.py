"""The widgets that the console's screens stand on; none of them knows what a resource is."""
