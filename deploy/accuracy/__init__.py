"""What `./dev accuracy` runs: estates on moto, states of three provider versions, one change after another, one verdict."""
