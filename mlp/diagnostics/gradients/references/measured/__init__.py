"""What is measured of outputs: the noise of a random layer, the paths from the inputs."""
