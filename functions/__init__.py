"""The four functions of the platform; each folder holds its whole feature."""
