"""What several test suites share: small Lambda functions, and ways to start the local platform."""
