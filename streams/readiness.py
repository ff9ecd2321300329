"""The readiness exchange over Kafka: `Doorkeeper` at the pipeline, `Responder` at each platform. One thread each."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from typing import Self

from infra.kafka import Consumer, KafkaAccess, Message, Producer
from operators.sign import SigningKey
from schemas.codec import pack
from schemas.errors import IntegrityError, PoisonError, SealframeError, TransientError
from schemas.records import Alarm
from schemas.topics import ALARMS, KEYS, READY
from streams.addresses import PIPELINE, AddressBook, answer
from streams.clock import now_ms
from streams.intake import Identify

ASK_EVERY_S = 1.0
PATIENCE_MS = 5_000
ALARM_AGAIN_MS = 10 * 60_000
RETRY_S = 1.0
log = logging.getLogger(__name__)


class Background:
    """A thread that runs `work` again and again, and waits a little after a transient failure."""

    def __init__(self, name: str) -> None:
        self._halt = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.error: SealframeError | None = None

    def start(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End, and wait for it."""
        self._halt.set()
        self._thread.join(20)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def session(self) -> None:
        """One connection, until `halted` or an error."""
        raise NotImplementedError

    def check(self) -> None:
        """Raise what ended the thread, if something did before `stop`."""
        if self.error is not None:
            raise self.error
        if self._thread.ident is not None and not self._thread.is_alive() and not self.halted:
            raise SealframeError(f"{self._thread.name} ended by a fault: see above")

    @property
    def halted(self) -> bool:
        """It is time to end."""
        return self._halt.is_set()

    def _run(self) -> None:
        while not self.halted:
            try:
                self.session()
            except TransientError as error:
                log.warning("%s: %s; trying again", self._thread.name, error)
                self._halt.wait(RETRY_S)
            except SealframeError as error:
                log.error("%s stops: %s", self._thread.name, error)
                self.error = error
                return


class Doorkeeper(Background):
    """Keeps an address book up to date, asks who must be asked, and raises `platform-unready`."""

    def __init__(self, access: KafkaAccess, signer: SigningKey, book: AddressBook) -> None:
        super().__init__("doorkeeper")
        self._access, self._signer, self.book = access, signer, book
        self._waiting_since: int | None = None
        self._alarmed = 0

    async def gate(self) -> None:
        """Return once every platform is ready; raises what ended the thread, if something did."""
        self.check()
        while not self.book.ready():
            await asyncio.sleep(0.1)
            self.check()

    def session(self) -> None:
        """Read addresses from the beginning and answers from now on; ask until all is answered."""
        with self._access.consumer("pipeline.readiness") as consumer, self._access.producer() as producer:
            starts = [(KEYS, number, consumer.bounds(KEYS, number)[0]) for number in consumer.partitions(KEYS)]
            consumer.assign([*starts, *_ends(consumer)])
            asked = 0.0
            while not self.halted:
                message = consumer.poll(0.2)
                if message is not None:
                    self._take(message)
                if time.monotonic() - asked >= ASK_EVERY_S:
                    asked = time.monotonic()
                    for platform, record in self.book.questions(self._signer):
                        producer.send(READY, platform.encode(), record)
                    self._watch(producer)
                    producer.flush()

    def _take(self, message: Message) -> None:
        try:
            if message.topic == READY:
                self.book.take_answer(message.value)
            elif message.value:
                self.book.take_address(message.value)
        except (PoisonError, IntegrityError) as error:
            log.warning("refused %s/%s at %s: %s", message.topic, message.partition, message.offset, error)

    def _watch(self, producer: Producer) -> None:
        now, missing = now_ms(), self.book.missing()
        if not missing:
            self._waiting_since, self._alarmed = None, 0
            return
        self._waiting_since = self._waiting_since or now
        if now - self._waiting_since >= PATIENCE_MS and now - self._alarmed >= ALARM_AGAIN_MS:
            self._alarmed = now
            text = f"nothing is processed until {', '.join(missing)} answer: chunks wait sealed; start or check them"
            producer.send(ALARMS, b"", pack("alarm", Alarm("platform-unready", PIPELINE, "", now, text)))


class Responder(Background):
    """Answers the pipeline's questions in the name of `access.identity.principal`, while `ready()` says so."""

    def __init__(
        self, access: KafkaAccess, signer: SigningKey, identify: Identify, ready: Callable[[], bool] = lambda: True
    ) -> None:
        """`signer`: the platform's signing key with its certificate; `identify`: see `infra.tls.signer_identity`."""
        super().__init__("responder")
        self._access, self._signer, self._identify, self._ready = access, signer, identify, ready

    def session(self) -> None:
        """Answer questions that come from now on."""
        principal = self._access.identity.principal
        with self._access.consumer(f"{principal}.readiness") as consumer, self._access.producer() as producer:
            consumer.assign(_ends(consumer))
            while not self.halted:
                message = consumer.poll(0.2)
                if message is None or not self._ready():
                    continue
                try:
                    reply = answer(message.value, principal, self._identify, now_ms(), self._signer)
                except (PoisonError, IntegrityError) as error:
                    log.warning("refused %s at %s: %s", message.topic, message.offset, error)
                    continue
                if reply is not None:
                    producer.send(READY, principal.encode(), reply)
                    producer.flush()


def _ends(consumer: Consumer) -> list[tuple[str, int, int]]:
    return [(READY, number, consumer.bounds(READY, number)[1]) for number in consumer.partitions(READY)]
