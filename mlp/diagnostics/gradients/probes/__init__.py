"""What the gradient checker measures about a layer besides its gradients."""
