"""LogHub's published masks of each system, with which its own figures of Drain were had."""

_ADDRESS, _DOTTED = r"(\d+\.){3}\d+", r"([\w-]+\.){2,}[\w-]+"
MASKS: dict[str, list[str]] = {
    "HDFS": [r"blk_-?\d+", r"(\d+\.){3}\d+(:\d+)?"],
    "Hadoop": [_ADDRESS],
    "Spark": [_ADDRESS, r"\b[KGTM]?B\b", _DOTTED],
    "Zookeeper": [r"(/|)(\d+\.){3}\d+(:\d+)?"],
    "BGL": [r"core\.\d+"],
    "HPC": [r"=\d+"],
    "Thunderbird": [_ADDRESS],
    "Windows": [r"0x.*?\s"],
    "Linux": [_ADDRESS, r"\d{2}:\d{2}:\d{2}"],
    "Android": [
        r"(/[\w-]+)+",
        _DOTTED,
        r"\b(\-?\+?\d+)\b|\b0[Xx][a-fA-F\d]+\b|\b[a-fA-F\d]{4,}\b",
    ],
    "HealthApp": [],
    "Apache": [_ADDRESS],
    "Proxifier": [r"<\d+\ssec", r"([\w-]+\.)+[\w-]+(:\d+)?", r"\d{2}:\d{2}(:\d{2})*", r"[KGTM]B"],
    "OpenSSH": [_ADDRESS, _DOTTED],
    "OpenStack": [r"((\d+\.){3}\d+,?)+", r"/.+?\s", r"\d+"],
    "Mac": [_DOTTED],
}
