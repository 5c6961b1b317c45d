// Keeps the feed page usable without a network.
