"""A small log of jobs, as a program would write it: six templates, several jobs at a time."""

import numpy as np

START = "job-{job} accepted from {host}:{port}"
FETCH = "Fetching {size} bytes for job-{job} to /var/spool/job-{job}.dat"
CHECK = "Checksum of job-{job} is 0x{hash:08x}"
RETRY = "Retry {tries} of job-{job} after timeout"
STORE = "job-{job} stored on {host} in {size} ms"
DONE = "Finished job-{job} with code {tries}"
FAIL = "Disk failure while writing job-{job} sector {size}"
TEMPLATES = (START, FETCH, CHECK, RETRY, STORE, DONE)


def usual(generator: np.random.Generator) -> list[str]:
    """What is said of a normal job: some are retried, each is fetched once or twice."""
    fetched = [FETCH] * int(generator.integers(1, 3))
    retried = [RETRY] * int(generator.random() < 0.2)
    return [START, *fetched, *retried, CHECK, STORE, STORE, DONE]


def log_of(jobs: list[list[str]], *, seed: int = 0, beside: int = 4) -> list[str]:
    """The lines of jobs, `beside` of which run at a time, with times and numbers of their own."""
    generator = np.random.default_rng(seed)
    waiting = [(job, list(lines)) for job, lines in enumerate(jobs, start=1000)]
    going, written, clock = waiting[:beside], [], 1_700_000_000
    waiting = waiting[beside:]
    while going:
        number = int(generator.integers(len(going)))
        job, lines = going[number]
        clock += int(generator.integers(3))
        said = lines.pop(0).format(
            job=job,
            host=f"10.0.{generator.integers(9)}.{generator.integers(255)}",
            port=int(generator.integers(1024, 60000)),
            size=int(generator.integers(10, 10**6)),
            hash=int(generator.integers(2**31)),
            tries=int(generator.integers(4)),
        )
        hour = f"{clock // 3600 % 24:02d}:{clock // 60 % 60:02d}:{clock % 60:02d}"
        written.append(f"2024-03-01 {hour} INFO {said}")
        if not lines:
            going[number : number + 1] = [waiting.pop(0)] if waiting else []
    return written


def normal_jobs(count: int, *, seed: int = 0) -> list[list[str]]:
    """That many normal jobs."""
    generator = np.random.default_rng(seed)
    return [usual(generator) for _ in range(count)]


def strange_jobs() -> list[list[str]]:
    """30 jobs; 1007 stores too early, 1012 says what none said, 1020 is retried four times."""
    jobs = normal_jobs(30, seed=5)
    jobs[7] = [START, FETCH, STORE, CHECK, STORE, DONE]
    jobs[12] = [START, FETCH, CHECK, STORE, FAIL, STORE, DONE]
    jobs[20] = [START, FETCH, RETRY, RETRY, RETRY, RETRY, CHECK, STORE, STORE, DONE]
    return jobs
