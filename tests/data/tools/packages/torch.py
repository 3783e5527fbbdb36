"""What a worker uses of torch."""


def manual_seed(seed: int) -> None:
    assert type(seed) is int
