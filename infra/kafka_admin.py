"""Topics and rights of a broker: what `schemas.topics` asks for, what there is, and the step between.

`plan` is a pure function and decides; `KafkaAdmin.apply` does. Rights only allow, on a broker that denies by default.
Kafka has no principals by prefix, so `camera-*` and `gateway-*` get their rights one by one, by `enroll`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported without __all__
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from infra.kafka import SECONDS, ErrorWatch, KafkaAccess
from schemas.errors import ConfigError, ServiceUnavailable, UsageError
from schemas.topics import EDGE, MINUTE_MS, WORKER_GROUP, TopicSpec

FRAME_PARTITIONS = 2
REPLICAS = 1
Action = Literal["create", "configure", "keep", "conflict"]


@dataclass(frozen=True, slots=True)
class TopicState:
    """What a broker has: partitions, the settings set on the topic, replicas (of the partition that has the fewest)."""

    partitions: int
    config: Mapping[str, str]
    replicas: int = REPLICAS


@dataclass(frozen=True, slots=True)
class Change:
    """What to do with one topic; `detail` says it to a person."""

    topic: str
    action: Action
    partitions: int
    config: Mapping[str, str]
    detail: str


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One permission: a principal may read or write a topic, or read (be a member of) a group."""

    principal: str
    operation: Literal["READ", "WRITE"]
    resource: Literal["TOPIC", "GROUP"]
    name: str
    prefix: bool = False


def topic_config(spec: TopicSpec) -> dict[str, str]:
    """Settings of a topic.

    Retention counts from arrival at the broker: capture times are the sender's word, and a time in the future would
    keep a record for ever. Segments are rolled four times in a retention, as only closed ones are removed.
    """
    return {
        "cleanup.policy": spec.cleanup,
        "retention.ms": str(spec.retention_ms),
        "segment.ms": str(max(MINUTE_MS, spec.retention_ms // 4)),
        "max.message.bytes": str(spec.max_bytes),
        "message.timestamp.type": "LogAppendTime",
        **({"min.cleanable.dirty.ratio": "0.1"} if "compact" in spec.cleanup else {}),
    }


def plan(
    specs: Sequence[TopicSpec], existing: Mapping[str, TopicState], *, frame_partitions: int = FRAME_PARTITIONS,
    replicas: int = REPLICAS,
) -> tuple[Change, ...]:
    """What brings a broker from `existing` to `specs`, topic by topic.

    Another number of partitions is a conflict: changing it would send a camera's chunks to another partition. So are
    fewer replicas: somebody has to say which brokers take them.
    """
    changes = []
    for spec in specs:
        partitions = frame_partitions if spec.group == "frames" else 1
        wanted = topic_config(spec)
        state = existing.get(spec.name)
        if state is None:
            change = Change(spec.name, "create", partitions, wanted, f"{_counts(partitions, replicas)}, {spec.cleanup}")
        elif state.partitions != partitions or state.replicas < replicas:
            detail = f"has {_counts(state.partitions, state.replicas)}; wanted are {_counts(partitions, replicas)}"
            change = Change(spec.name, "conflict", partitions, {}, detail)
        else:
            differing = {name: value for name, value in wanted.items() if state.config.get(name) != value}
            detail = ", ".join(f"{name}: {state.config.get(name)} -> {value}" for name, value in differing.items())
            change = Change(spec.name, "configure" if differing else "keep", partitions, differing, detail)
        changes.append(change)
    return tuple(changes)


def _counts(partitions: int, replicas: int) -> str:
    return f"partitions: {partitions}, replicas: {replicas}"


def rights(specs: Sequence[TopicSpec]) -> frozenset[Right]:
    """Rights of all principals that the table names in full.

    A reader may use the groups `<principal>` and `<principal>.*`; names of principals hold no dot, so that no one's
    groups begin with another's. The pipeline may also use the worker's group.
    """
    found = set()
    for spec in specs:
        found |= {Right(p, "WRITE", "TOPIC", spec.name) for p in spec.writers if not p.endswith("*")}
        for principal in spec.readers:
            found.add(Right(principal, "READ", "TOPIC", spec.name))
            found.add(Right(principal, "READ", "GROUP", principal))
            found.add(Right(principal, "READ", "GROUP", f"{principal}.", prefix=True))
    found.add(Right("pipeline", "READ", "GROUP", WORKER_GROUP))
    return frozenset(found)


def edge_rights(principal: str, specs: Sequence[TopicSpec]) -> frozenset[Right]:
    """Rights of one camera or gateway: to write the topics that name its prefix.

    Raises:
        UsageError: the principal is neither.

    """
    prefix = next((prefix for prefix in EDGE if principal.startswith(prefix) and principal != prefix), None)
    if prefix is None:
        raise UsageError(f"principal {principal!r} is neither a camera nor a gateway")
    return frozenset(Right(principal, "WRITE", "TOPIC", spec.name) for spec in specs if f"{prefix}*" in spec.writers)


class KafkaAdmin:
    """Administration with the rights of `access`, which must be a super user's for all but `existing`."""

    def __init__(self, access: KafkaAccess) -> None:
        self._watch = ErrorWatch()
        config: dict[str, Any] = {**access.config(), "error_cb": self._watch}
        self._client = AdminClient(config)

    def brokers(self, *, seconds: float = SECONDS) -> int:
        """Number of brokers that answer.

        Raises:
            AccessDenied: the certificate is refused.
            ServiceUnavailable: nobody answers.

        """
        deadline = time.monotonic() + seconds
        while True:
            # librdkafka goes on trying after a refusal: look at what its threads reported every second
            try:
                return len(self._client.list_topics(timeout=1.0).brokers)
            except KafkaException as error:
                self._client.poll(0)
                failure = self._watch.translate(error, "connecting to the broker")
                if time.monotonic() > deadline or self._watch.denied:
                    raise failure from error

    def existing(self) -> dict[str, TopicState]:
        """The topics there are, without those of the broker itself."""
        try:
            found = self._client.list_topics(timeout=SECONDS).topics
        except KafkaException as error:
            raise self._watch.translate(error, "listing topics") from error
        names = [name for name in found if not name.startswith("__")]
        if not names:
            return {}
        resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
        results = self._wait(self._client.describe_configs(resources), "describing topics")
        return {
            resource.name: TopicState(
                len(found[resource.name].partitions), {name: str(entry.value) for name, entry in config.items()},
                min((len(part.replicas) for part in found[resource.name].partitions.values()), default=0),
            )
            for resource, config in results.items()
        }

    def apply(
        self, specs: Sequence[TopicSpec], *, frame_partitions: int = FRAME_PARTITIONS, replicas: int = REPLICAS
    ) -> tuple[Change, ...]:
        """Create and configure topics, grant the rights of `specs`; return what was done.

        Raises:
            ConfigError: a topic has another number of partitions, or fewer replicas; nothing was done.

        """
        changes = plan(specs, self.existing(), frame_partitions=frame_partitions, replicas=replicas)
        conflicts = [f"{change.topic} {change.detail}" for change in changes if change.action == "conflict"]
        if conflicts:
            raise ConfigError("; ".join(conflicts))
        new = [
            NewTopic(c.topic, num_partitions=c.partitions, replication_factor=replicas, config=dict(c.config))
            for c in changes if c.action == "create"
        ]
        if new:
            self._wait(self._client.create_topics(new), "creating topics")
        altered = [
            _config_change(ConfigResource.Type.TOPIC, change.topic, change.config)
            for change in changes if change.action == "configure"
        ]
        if altered:
            self._wait(self._client.incremental_alter_configs(altered), "configuring topics")
        self.grant(rights(specs))
        return changes

    def grant(self, wanted: Iterable[Right]) -> None:
        """Give rights, and wait until the broker knows them; those that are there stay.

        Raises:
            ServiceUnavailable: it doesn't for too long.

        """
        bindings = [_binding(right) for right in sorted(wanted)]
        if not bindings:
            return
        self._wait(self._client.create_acls(bindings), "granting rights")
        # They are granted by the controller; a broker that hasn't read them yet still refuses.
        deadline = time.monotonic() + SECONDS
        while not set(bindings) <= self._known():
            if time.monotonic() > deadline:
                raise ServiceUnavailable("the broker doesn't know the rights that were granted")
            time.sleep(0.05)

    def _known(self) -> set[AclBinding]:
        every: Any = None
        pattern = AclBindingFilter(
            ResourceType.ANY, every, ResourcePatternType.ANY, every, every, AclOperation.ANY, AclPermissionType.ANY
        )
        try:
            return set(self._client.describe_acls(pattern).result(timeout=SECONDS))
        except KafkaException as error:
            raise self._watch.translate(error, "reading rights") from error

    def enroll(self, principal: str, specs: Sequence[TopicSpec]) -> None:
        """Let `camera-<id>` or `gateway-<id>` write its chunks."""
        self.grant(edge_rights(principal, specs))

    def revoke(self, principal: str) -> int:
        """Take every right from a principal; return how many there were."""
        every: Any = None  # librdkafka's wildcard, which its type hints leave out
        pattern = AclBindingFilter(
            ResourceType.ANY, every, ResourcePatternType.ANY, f"User:{principal}", every, AclOperation.ANY,
            AclPermissionType.ANY,
        )
        removed = self._wait(self._client.delete_acls([pattern]), "revoking rights")
        return sum(len(bindings) for bindings in removed.values())

    def reload_certificate(self, keystore: Path, *, broker: int = 1, listener: str = "ssl") -> None:
        """Make a running broker read its key and certificate anew, from the same or another path on its host.

        Connections that are open stay. The new certificate must bear the subject and host names of the old one.
        """
        setting = {f"listener.name.{listener}.ssl.keystore.location": str(keystore)}
        change = _config_change(ConfigResource.Type.BROKER, str(broker), setting)
        self._wait(self._client.incremental_alter_configs([change]), "reloading the broker's certificate")

    def delete(self, topics: Sequence[str]) -> None:
        """Remove topics with all their records."""
        if topics:
            self._wait(self._client.delete_topics(list(topics)), "deleting topics")

    def _wait(self, futures: Mapping[Any, Future[Any]], what: str) -> dict[Any, Any]:
        """Results of all futures; what exists already is no failure."""
        results = {}
        for item, future in futures.items():
            try:
                results[item] = future.result(timeout=SECONDS)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise self._watch.translate(error, what) from error
        return results


def _binding(right: Right) -> AclBinding:
    pattern = ResourcePatternType.PREFIXED if right.prefix else ResourcePatternType.LITERAL
    return AclBinding(
        ResourceType[right.resource], right.name, pattern, f"User:{right.principal}", "*",
        AclOperation[right.operation], AclPermissionType.ALLOW,
    )


def _config_change(kind: Any, name: str, values: Mapping[str, str]) -> ConfigResource:
    entries = [
        ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in values.items()
    ]
    return ConfigResource(kind, name, incremental_configs=entries)
