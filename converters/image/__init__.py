"""What image models of every framework share: pixels, labels, samples."""
