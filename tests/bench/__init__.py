"""The proxy measured side by side with others: `./build.sh bench [quick]`."""
