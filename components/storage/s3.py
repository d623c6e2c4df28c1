"""`s3://`: Amazon S3, and what speaks its language. A generation is an ETag, so an object that has
its old content again is of its old generation.
"""

import contextlib
import hashlib
import os
import re
from typing import Any, BinaryIO

import boto3
import botocore.config
import botocore.exceptions
import urllib3.exceptions
from boto3.s3.transfer import TransferConfig

from components.storage.interface import ABSENT, Entry
from components.storage.remote import Kept, Key, Page, RemoteStorage, md5_digest
from components.storage.trouble import Meaning, Trouble

_ONE_REQUEST_BYTES = 5 << 30  # the store takes no more in one
_PART_BYTES = 64 << 20
_BLOCK_BYTES = 1 << 20
_TOKEN, _MD5 = "auricle-write", "auricle-md5"
_PLAIN_MD5 = re.compile("[0-9a-f]{32}")
_BUSY = {
    "429", "500", "502", "503", "504", "InternalError", "OperationAborted", "RequestTimeout",
    "RequestTimeoutException", "ServiceUnavailable", "SlowDown", "Throttling",
    "ThrottlingException", "TooManyRequests", "TooManyRequestsException", "RequestLimitExceeded",
    "BandwidthLimitExceeded", "ConditionalRequestConflict", "409",
}  # fmt: skip
_TROUBLES = {
    **dict.fromkeys(("NoSuchKey", "404", "NotFound"), Trouble.ABSENT),
    **dict.fromkeys(("PreconditionFailed", "412"), Trouble.STALE),
    **dict.fromkeys(("NoSuchBucket", "InvalidBucketName"), Trouble.NO_BUCKET),
    **dict.fromkeys(("AccessDenied", "403", "AllAccessDisabled"), Trouble.FORBIDDEN),
    **dict.fromkeys(
        ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "401",
         "TokenRefreshRequired", "RequestTimeTooSkewed", "RequestExpired"),
        Trouble.CREDENTIALS,
    ),
    **dict.fromkeys(
        ("PermanentRedirect", "301", "AuthorizationHeaderMalformed",
         "IllegalLocationConstraintException"),
        Trouble.REGION,
    ),
    **dict.fromkeys(_BUSY, Trouble.BUSY),
}  # fmt: skip


class _Stream:
    """The answer to a download."""

    def __init__(self, answer: dict[str, Any], start: int) -> None:
        self._body = answer["Body"]
        self.size_bytes = start + int(answer["ContentLength"])
        self.generation = str(answer["ETag"])

    def read(self, size_bytes: int) -> bytes:
        content: bytes = self._body.read(size_bytes)
        return content

    def close(self) -> None:
        self._body.close()


class S3Storage(RemoteStorage[Any]):
    scheme = "s3"
    credentials = (
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run `aws configure`;"
        " machines of AWS have their own by their role"
    )

    def __init__(self) -> None:
        super().__init__()
        self._tells_md5: dict[str, bool] = {}  # whether ETags of a bucket are such of contents

    def _connect(self) -> Any:
        config = botocore.config.Config(
            connect_timeout=10,
            read_timeout=60,
            retries={"total_max_attempts": 1},  # waits are ours, and said
            max_pool_connections=32,
        )
        region = os.environ.get("AWS_REGION")  # which boto3 does not read
        return boto3.session.Session(region_name=region).client("s3", config=config)

    def _fetch(self, place: Key, start: int, generation: str) -> _Stream:
        asked = {"IfMatch": generation} if generation else {}
        if start:
            asked["Range"] = f"bytes={start}-"
        return _Stream(self.client().get_object(Bucket=place.bucket, Key=place.key, **asked), start)

    def _write(self, place: Key, content: bytes, if_match: str | None, token: str) -> str:
        asked: dict[str, Any] = {"Metadata": {_TOKEN: token}} if token else {}
        if if_match == ABSENT:
            asked["IfNoneMatch"] = "*"
        elif if_match is not None:
            asked["IfMatch"] = if_match
        client = self.client()
        try:
            written = client.put_object(Bucket=place.bucket, Key=place.key, Body=content, **asked)
        except botocore.exceptions.ClientError as error:
            if if_match and _code(error) == "NoSuchKey":  # deleted meanwhile
                error.response["Error"]["Code"] = "PreconditionFailed"
            raise
        return str(written["ETag"])

    def _upload(self, place: Key, file: BinaryIO, size_bytes: int) -> None:
        if size_bytes <= _ONE_REQUEST_BYTES:
            self.client().put_object(
                Bucket=place.bucket, Key=place.key, Body=file, ContentLength=size_bytes
            )
            return
        digest = hashlib.md5(usedforsecurity=False)  # the ETag of parts is none of the content
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
        file.seek(0)
        self.client().upload_fileobj(
            file,
            place.bucket,
            place.key,
            ExtraArgs={"Metadata": {_MD5: digest.hexdigest()}},
            Config=TransferConfig(multipart_chunksize=_PART_BYTES),
        )

    def _look(self, place: Key) -> Kept:
        found = self.client().head_object(Bucket=place.bucket, Key=place.key)
        etag, metadata = str(found["ETag"]), found.get("Metadata", {})
        entry = Entry(
            f"{place.bucket}/{place.key}",
            int(found["ContentLength"]),
            etag,
            found["LastModified"].timestamp(),
            md5_digest(_content_md5(found)),
        )
        return Kept(entry, metadata.get(_TOKEN, ""))

    def _list(self, folder: Key, after: str, *, deep: bool, some: int | None = None) -> Page:
        asked: dict[str, Any] = {} if deep else {"Delimiter": "/"}
        if after:
            asked["ContinuationToken"] = after
        page = self.client().list_objects_v2(
            Bucket=folder.bucket, Prefix=folder.key, MaxKeys=some or self.page, **asked
        )
        entries = [self._listed(folder.bucket, found) for found in page.get("Contents", ())]
        folders = [f"{folder.bucket}/{each['Prefix']}" for each in page.get("CommonPrefixes", ())]
        return Page(entries, folders, page.get("NextContinuationToken", "") if some is None else "")

    def _listed(self, bucket: str, found: dict[str, Any]) -> Entry:
        etag, digest = str(found["ETag"]), ""
        if _PLAIN_MD5.fullmatch(etag.strip('"')):
            if bucket not in self._tells_md5:  # a listing does not say how objects are encrypted
                with contextlib.suppress(botocore.exceptions.ClientError):  # gone meanwhile
                    digest = self._look(Key(bucket, found["Key"])).entry.digest
                    self._tells_md5[bucket] = bool(digest)
            if self._tells_md5.get(bucket):
                digest = md5_digest(etag.strip('"'))
        written_s = found["LastModified"].timestamp()
        return Entry(f"{bucket}/{found['Key']}", int(found["Size"]), etag, written_s, digest)

    def _remove(self, places: list[Key]) -> None:
        client = self.client()
        if len(places) == 1:
            client.delete_object(Bucket=places[0].bucket, Key=places[0].key)
            return
        keys = [{"Key": place.key} for place in places]
        done = client.delete_objects(
            Bucket=places[0].bucket, Delete={"Objects": keys, "Quiet": True}
        )
        for refused in done.get("Errors", ()):
            if refused["Code"] != "NoSuchKey":
                raise botocore.exceptions.ClientError({"Error": refused}, "DeleteObjects")

    def _copy(self, source: Key, target: Key) -> None:
        self.client().copy(
            {"Bucket": source.bucket, "Key": source.key},
            target.bucket,
            target.key,
            Config=TransferConfig(multipart_threshold=_ONE_REQUEST_BYTES, use_threads=False),
        )

    def _is_elsewhere(self) -> bool:
        return "amazonaws.com" not in self.client().meta.endpoint_url

    def _meaning(self, error: Exception) -> Meaning | None:
        if isinstance(error, botocore.exceptions.ClientError):
            return _of_answer(error)
        no_credentials = (
            botocore.exceptions.NoCredentialsError,
            botocore.exceptions.PartialCredentialsError,
            botocore.exceptions.CredentialRetrievalError,
            botocore.exceptions.TokenRetrievalError,
            botocore.exceptions.SSOError,
            botocore.exceptions.ProfileNotFound,
        )
        if isinstance(error, no_credentials):
            return Meaning(Trouble.CREDENTIALS, type(error).__name__)
        if isinstance(error, botocore.exceptions.ParamValidationError):
            return Meaning(Trouble.OTHER, "a name that it does not take")
        if isinstance(
            error,
            botocore.exceptions.EndpointConnectionError | botocore.exceptions.ConnectTimeoutError,
        ):
            return Meaning(Trouble.UNREACHABLE, type(error).__name__)
        passing = (
            botocore.exceptions.HTTPClientError,
            botocore.exceptions.IncompleteReadError,
            botocore.exceptions.FlexibleChecksumError,
            urllib3.exceptions.HTTPError,
            ConnectionError,
        )
        if isinstance(error, passing):
            return Meaning(Trouble.BUSY, type(error).__name__)
        if isinstance(error, botocore.exceptions.BotoCoreError):
            return Meaning(Trouble.OTHER, type(error).__name__)
        return None


def _content_md5(found: dict[str, Any]) -> str:
    """The MD5 of an object's content, where the store keeps it: an ETag is it, unless the object
    was sent in parts, or encrypted with a key of a person's own.
    """
    etag = str(found["ETag"]).strip('"')
    is_plain = found.get("ServerSideEncryption") in (None, "AES256")
    if is_plain and "SSECustomerAlgorithm" not in found and _PLAIN_MD5.fullmatch(etag):
        return etag
    md5: str = found.get("Metadata", {}).get(_MD5, "")
    return md5


def _code(error: botocore.exceptions.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _of_answer(error: botocore.exceptions.ClientError) -> Meaning:
    found = error.response.get("Error", {})
    code, status = _code(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    said = f"{code}: {found.get('Message', '')}".rstrip(": ")
    trouble = _TROUBLES.get(code) or _TROUBLES.get(str(status)) or Trouble.OTHER
    return Meaning(trouble, said)
