"""The manifest of a restoration: its chain of custody, signed and in the log, and checked offline.

It holds the pipeline's own signed records, so that who has the CA's certificate checks the way from the camera's
pipeline to this file without any server. Format: `schemas/FORMATS.md`, 11. Pure but for reading the file that is
checked.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from operators.fragment import init_segment, parse_fragment
from operators.note import from_base64 as from_base64
from operators.sign import SigningKey, check, digest, sign
from schemas import records
from schemas.codec import decode
from schemas.errors import BadSignature, DigestMismatch, IntegrityError, MalformedRecord, UsageError
from schemas.records import OperatorBody, OperatorRecord, VideoStart
from streams.forensic.proofs import IdentifyAt, Inclusion, check_inclusion, during, inclusion_json, read_proof
from streams.verify import Checked, check_chain, check_record, frames_lost
from streams.words import plural

FORMAT, RECORD = "sealframe/restoration/1", "restoration"
SUFFIX = ".manifest.json"


@dataclass(frozen=True, slots=True)
class Verified:
    """What a manifest that holds says of its file. `lost`: frames captured between its chunks that are in none."""

    body: Mapping[str, Any]
    entries: int
    lost: int = 0

    @property
    def words(self) -> str:
        """In a sentence or two."""
        body = self.body
        gaps = f", {len(body['gaps'])} gaps" if body["gaps"] else ", no gap"
        gaps += f"; {plural(self.lost, 'frame')} between them lost, before the pipeline or in it" if self.lost else ""
        shown = "everyone" if body["shows"] == "everyone" else f"subject {body['subject']} alone"
        return (
            f"{body['frames']} frames of {body['video']['video_id']}, {body['replaced']} with {shown} as filmed{gaps}. "
            f"Made by authority-{body['authority']} for {body['person']}, case {body['case']}, as log entry "
            f"{body['entry']} says; in a log of {self.entries} entries. Every byte is as it was made"
        )


def canonical(value: object) -> bytes:
    """JSON as it is signed and digested."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def custody(
    start: Checked, taken_in: tuple[int, int], used: Sequence[tuple[Checked, str | None, Mapping[str, Any]]]
) -> dict[str, Any]:
    """The fields `video`, `chunks`, `certificates` from signed records: each with the digest of its evidence (hex) and
    what is to be said of its fragment.
    """
    certificates: list[bytes] = []

    def signed(checked: Checked) -> dict[str, Any]:
        record = checked.record.signed
        if record.signer not in certificates:
            certificates.append(record.signer)
        return {"body": _text(record.body), "signature": _text(record.signature),
                "signer": certificates.index(record.signer)}

    item = start.item
    video = {"video_id": item.video_id, "camera_id": item.camera_id, "taken_in": list(taken_in),
             "start": signed(start)}
    chunks = [
        {**said, "record": signed(checked), "signature_digest": digest(checked.record.signed.signature).hex(),
         "evidence": evidence}
        for checked, evidence, said in used
    ]
    return {"video": video, "chunks": chunks, "certificates": [_text(one) for one in certificates]}


def start_of(body: Mapping[str, Any]) -> VideoStart:
    """The start of the video that a manifest is about, unchecked.

    Raises:
        MalformedRecord: there is none in it.

    """
    start = decode(OperatorBody, from_base64(body["video"]["start"]["body"])).start
    if start is None:
        raise MalformedRecord("a manifest without a start")
    return start


def signed_manifest(body: Mapping[str, Any], key: SigningKey, proof: Inclusion) -> dict[str, Any]:
    """The manifest as it lies beside its file; `proof` is of the entry that holds the digest of `canonical(body)`."""
    made = sign(canonical(body), RECORD, key)
    return {"format": FORMAT, "body": dict(body), "signature": _text(made.signature), "signer": _text(made.signer),
            "log": inclusion_json(proof)}


def verify_restoration(file: Path, manifest: Path, identify: IdentifyAt) -> Verified:
    """Check a restored video against its manifest: every signature, digest, link and the log's proof.

    Raises:
        UsageError: the manifest isn't one.
        IntegrityError: something was changed; names what.

    """
    try:
        read = json.loads(manifest.read_bytes())
        body = read["body"]
        if read["format"] != FORMAT:
            raise UsageError(f"manifests of format {read['format']!r} are unknown here")
        entries = _check_manifest(read, body, identify)
        start, chunks = _check_records(body, identify)
        with file.open("rb") as opened:
            _check_file(opened, file.name, body, start, chunks)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{manifest.name} is not the manifest of a restoration, or a field is missing") from error
    except MalformedRecord as error:
        raise IntegrityError(f"{file.name}: {error}") from error
    return Verified(body, entries, frames_lost(chunks))


def _check_manifest(read: Mapping[str, Any], body: Mapping[str, Any], identify: IdentifyAt) -> int:
    """The authority's signature, and that the log's entry names these very bytes; how many entries the log had."""
    principal, public = identify(from_base64(read["signer"]), body["time_ms"])
    if principal != f"authority-{body['authority']}":
        raise BadSignature(f"the manifest names authority {body['authority']!r}, its signer is {principal!r}")
    check(records.Signed(canonical(body), b"", from_base64(read["signature"])), RECORD, public)
    proof = read_proof(read["log"])
    if not isinstance(proof, Inclusion):
        raise UsageError("the manifest's log proof must be of an entry")
    checkpoint = check_inclusion(proof, identify)
    entry = json.loads(proof.entry)
    if checkpoint.origin.partition("/")[2] != principal:
        raise IntegrityError("the manifest's entry is in another authority's log")
    same = (entry["action"], entry["actor"], entry["case"]) == ("restored", body["person"], body["case"])
    if not same or entry["detail"]["manifest"] != digest(canonical(body)).hex() or proof.seq <= body["entry"]:
        raise IntegrityError(f"log entry {proof.seq} is of another restoration than this manifest")
    return checkpoint.size


def _check_records(body: Mapping[str, Any], identify: IdentifyAt) -> tuple[VideoStart, list[Checked]]:
    """The pipeline's records: signatures and chain; and that what is said of each chunk fits."""
    certificates = [from_base64(one) for one in body["certificates"]]
    signers = during(identify, (body["video"]["taken_in"][0], body["video"]["taken_in"][1]))

    def read(said: Mapping[str, Any]) -> Checked:
        signer = certificates[said["signer"]]
        signed = records.Signed(from_base64(said["body"]), signer, from_base64(said["signature"]))
        return check_record(OperatorRecord(signed), signers, media=False)

    start, chunks = read(body["video"]["start"]), [read(said["record"]) for said in body["chunks"]]
    seqs = [made.body.chunk.chunk_seq if made.body.chunk else -1 for made in chunks]
    chain = check_chain([start, *chunks], first=min(seqs), live=True)
    names = (chain.start.video_id, chain.start.camera_id)
    if names != (body["video"]["video_id"], body["video"]["camera_id"]) or seqs != [c["seq"] for c in body["chunks"]]:
        raise IntegrityError("the manifest names other chunks than those whose records it holds")
    for made, said in zip(chunks, body["chunks"], strict=True):
        if digest(made.record.signed.signature).hex() != said["signature_digest"]:
            raise DigestMismatch(f"{made.where}: the digest of its signature is another one")
    if body.get("lost", lost := frames_lost(chunks)) != lost:
        raise IntegrityError(f"the manifest names {body['lost']} lost frames, the pipeline's records {lost}")
    return chain.start, chunks


def _check_file(
    file: BinaryIO, name: str, body: Mapping[str, Any], start: VideoStart, chunks: Sequence[Checked]
) -> None:
    """The file's bytes, stretch by stretch, so that a change is named by its place."""
    init = init_segment(start.format)
    if file.read(len(init)) != init or body["file"]["init"] != len(init):
        raise DigestMismatch(f"{name}: bytes 0 to {len(init) - 1} (the init segment) were changed")
    whole, at = hashlib.sha256(init), len(init)
    for made, said in zip(chunks, body["chunks"], strict=True):
        chunk = made.body.chunk
        if chunk is None:
            raise IntegrityError(f"{made.where} is not a chunk")
        media = file.read(said["bytes"])
        last = chunk.first_frame + len(chunk.pts) - 1
        where = (f"{name}: bytes {at} to {at + said['bytes'] - 1} (chunk {chunk.chunk_seq}, "
                 f"frames {chunk.first_frame} to {last})")
        if digest(media).hex() != said["digest"]:
            raise DigestMismatch(f"{where} were changed")
        units, end = parse_fragment(media, start.format, start.origin_pts)
        if sorted(unit.pts for unit in units) != list(chunk.pts) or end != chunk.end_pts:
            raise IntegrityError(f"{where} have other times than the pipeline signed")
        if said["how"] != "restored" and body["watermark"] != "burnt" and digest(media) != chunk.media_digest:
            raise DigestMismatch(f"{where} should be the pipeline's own, and aren't")
        whole.update(media)
        at += len(media)
    if file.read(1) or at != body["file"]["bytes"] or whole.hexdigest() != body["file"]["digest"]:
        raise DigestMismatch(f"{name}: {at} bytes were made, the file has more, or its digest is another one")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
