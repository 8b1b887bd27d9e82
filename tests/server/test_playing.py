"""PLAY, PAUSE, TEARDOWN and the parameters: what is answered against what then arrives."""

from __future__ import annotations

import asyncio
import struct

import pytest
from tests.server.raw import Answer, Client, Ports, Rtp, gaps, rtcp_kinds, until

from reelcast.rtp.group import Group, Run
from reelcast.server.app import Server
from reelcast.server.file_source import FileSource
from reelcast.server.playback import Playback
from reelcast.server.session import Sessions

FRAME = 3600
"""Timestamps from one picture of short.mp4 to the next."""


async def set_up(client: Client, path: str = "/short.mp4") -> str:
    """Set both tracks up over TCP, on channels 0 to 3: the Session header."""
    session = f"Session: {(await client.setup(f'{path}/trackID=1')).session}"
    await client.setup(f"{path}/trackID=2", None, session)
    return session


async def set_up_udp(client: Client, video: Ports, audio: Ports, path: str = "/short.mp4") -> str:
    """Set both tracks up over UDP: the Session header."""
    first = await client.ask("SETUP", f"{path}/trackID=1", video.transport)
    session = f"Session: {first.session}"
    await client.ask("SETUP", f"{path}/trackID=2", audio.transport, session)
    return session


def rtp(client: Client, channel: int, after: int = 0) -> list[Rtp]:
    return [Rtp.read(data) for data in client.frames[channel][after:]]


def forward(first: int, second: int) -> int:
    """The way from one timestamp to another, which may be across the wrap."""
    return (second - first + (1 << 31)) % (1 << 32) - (1 << 31)


def max_timestamp(packets: list[Rtp]) -> int:
    first = packets[0].timestamp
    return first + max(forward(first, packet.timestamp) for packet in packets)


def check_beginning(answer: Answer, video: list[Rtp], audio: list[Rtp]) -> None:
    """Hold what a PLAY was answered to the packets that came first."""
    (_, video_seq, video_time), (_, audio_seq, audio_time) = answer.rtp_info
    assert (video[0].sequence, video[0].timestamp) == (video_seq, video_time)
    assert audio[0].sequence == audio_seq
    # The first sound is at the Range's start or less than a unit (1024 samples) behind; at the start of the
    # file a unit stands before it that makes the decoder ready.
    assert (-16 if answer.range[0] else -1024) <= forward(audio_time, audio[0].timestamp) <= 1024


# What arrives is what was answered


@pytest.mark.parametrize(
    ("wanted", "start"),
    [
        (None, 0.0),
        ("npt=0.000-", 0.0),
        ("npt=now-", 0.0),
        ("npt=1.5-", 1.0),
        ("npt = 2 - ", 2.0),
        ("npt=0:00:02.9-", 2.0),
    ],
)
async def test_tcp(server: Server, wanted: str | None, start: float) -> None:
    """Conformance P3, P4, P5, P8, P19, P20, R1, R2."""
    async with await Client.connect(server.port) as client:
        session = await set_up(client)
        answer = await client.ask("PLAY", "/short.mp4/", session, *([f"Range: {wanted}"] if wanted else []))
        assert answer.status == 200
        assert answer.range == (start, 3.0)
        assert [url for url, _, _ in answer.rtp_info] == [
            client.url(f"/short.mp4/trackID={n}") for n in (1, 2)
        ]
        video, audio = await client.packets(0, 12), await client.packets(2, 5)
        check_beginning(answer, video, audio)
        # The answer goes before the first frame.
        assert client.order.index(answer) < client.order.index(0)
        assert gaps(video) == gaps(audio) == []
        assert {packet.payload_type for packet in video} == {96}
        assert {packet.payload_type for packet in audio} == {97}


async def test_udp(server: Server, ports: Ports, more_ports: Ports) -> None:
    """Conformance P5, R1, R4, T4."""
    async with await Client.connect(server.port) as client:
        first = await client.ask("SETUP", "/short.mp4/trackID=1", ports.transport)
        session = f"Session: {first.session}"
        second = await client.ask("SETUP", "/short.mp4/trackID=2", more_ports.transport, session)
        assert first.pair("client_port") == ports.pair
        assert second.pair("client_port") == more_ports.pair
        answer = await client.ask("PLAY", "/short.mp4/", session, "Range: npt=1.2-")
        source = (await asyncio.get_running_loop().sock_recvfrom(ports.rtp, 2048))[1]
        assert source == ("127.0.0.1", first.pair("server_port")[0])
        assert forward(answer.rtp_info[0][1], (await ports.packets(1))[0].sequence) == 1
        audio = await more_ports.packets(5)
        assert audio[0].sequence == answer.rtp_info[1][1]
        assert gaps(audio) == []
        assert {packet.ssrc for packet in audio} == {int(second.transport("ssrc"), 16)}
        reports = [await asyncio.get_running_loop().sock_recvfrom(ports.rtcp, 2048)]
        assert reports[0][1] == ("127.0.0.1", first.pair("server_port")[1])


async def test_a_sender_report_comes_with_the_first_packets(server: Server) -> None:
    """Conformance R3, R4."""
    async with await Client.connect(server.port) as client:
        session = await set_up(client)
        answer = await client.ask("PLAY", "/short.mp4/", session)
        await client.until(lambda: bool(client.frames[1] and client.frames[3]))
        names: set[bytes] = set()
        moments: list[tuple[int, float]] = []
        for (_, _, begin), channel, rate in zip(answer.rtp_info, (1, 3), (90_000, 48_000), strict=True):
            data = client.frames[channel][0]
            assert rtcp_kinds(data) == [200, 202]
            ssrc, ntp, timestamp, count, octets = struct.unpack_from("!IQIII", data, 4)
            packets = rtp(client, channel - 1)[:count]
            assert ssrc == packets[0].ssrc
            assert octets == sum(len(packet.payload) for packet in packets)
            moments.append((ntp, forward(begin, timestamp) / rate))
            names.add(data[38:].rstrip(b"\0"))
        assert len(names) == 1
        # Both tracks map the same clock to the same media time.
        (video_ntp, video_time), (audio_ntp, audio_time) = moments
        assert (audio_ntp - video_ntp) / (1 << 32) == pytest.approx(audio_time - video_time, abs=0.001)
        assert client.order.index(0) < client.order.index(1)


async def test_tracks_may_be_left_out(server: Server) -> None:
    """Conformance P5."""
    async with await Client.connect(server.port) as client:
        session = f"Session: {(await client.setup('/short.mp4/trackID=2')).session}"
        answer = await client.ask("PLAY", "/short.mp4/", session, "Range: npt=1-")
        ((url, sequence, timestamp),) = answer.rtp_info
        assert url == client.url("/short.mp4/trackID=2")
        audio = await client.packets(0, 5)
        assert audio[0].sequence == sequence
        assert -16 <= forward(timestamp, audio[0].timestamp) <= 1024
        assert set(client.frames) <= {0, 1}


async def test_play_may_name_a_track(server: Server) -> None:
    """Conformance P2, P20, T12."""
    async with await Client.connect(server.port) as client:
        session = await set_up(client)
        assert (await client.ask("PLAY", "/short.mp4/trackID=1", session)).status == 200
        assert (await client.ask("PAUSE", "/short.mp4/trackID=1", session)).status == 200
        assert (await client.ask("PLAY", "*", session)).status == 200
        assert (await client.ask("PLAY", "/video.mp4", session)).status == 459


# Ranges


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        (400, "npt"),
        (400, "npt="),
        (400, "npt=-"),
        (400, "npt=nan-"),
        (400, "npt=1e308-"),
        (400, "npt=-1--2"),
        (400, "npt=99:99:99-"),
        (400, "clock=" + "1" * 300),
        (400, "smpte=1-2"),
        (456, "clock=20260101T000000Z-"),
        (456, "furlongs=1-2"),
        (457, "npt=3.5-"),
        (457, "npt=999999999-"),
        (457, "npt=2-1"),
        (457, "smpte=10:00:00-"),
    ],
)
async def test_ranges_that_are_refused(server: Server, status: int, wanted: str) -> None:
    """Conformance H17, P8, P9, P10."""
    async with await Client.connect(server.port) as client:
        session = await set_up(client)
        assert (await client.ask("PLAY", "/short.mp4/", session, f"Range: {wanted}")).status == status
        # Nothing has changed: it does not play, and it can.
        assert (await client.ask("PAUSE", "/short.mp4/", session)).status == 455
        assert (await client.ask("PLAY", "/short.mp4/", session)).status == 200
        # What plays goes on playing.
        before = await client.packets(0, 3)
        assert (await client.ask("PLAY", "/short.mp4/", session, f"Range: {wanted}")).status == status
        assert gaps(await client.packets(0, len(before) + 5)) == []


@pytest.mark.parametrize(
    ("wanted", "answered"),
    [
        ("smpte-25=0:00:01:05-", "smpte-25=00:00:01:00-00:00:03:00"),
        ("smpte-25=0:00:02:00-0:00:02:10", "smpte-25=00:00:02:00-00:00:02:10"),
        ("npt=0-99", "npt=0.000-3.000"),
        ("npt=-2", "npt=0.000-2.000"),
        ("npt=1-2;time=20260101T000000Z", "npt=1.000-2.000"),
    ],
)
async def test_a_range_is_answered_in_its_unit(server: Server, wanted: str, answered: str) -> None:
    """Conformance P3, P8."""
    async with await Client.connect(server.port) as client:
        session = await set_up(client)
        assert (await client.ask("PLAY", "/short.mp4/", session, f"Range: {wanted}"))["Range"] == answered


@pytest.mark.parametrize(
    ("headers", "status", "answered"),
    [
        (["Scale: 1"], 200, {"scale": "1.0"}),
        (["Scale: 2.5"], 200, {"scale": "2.5"}),
        (["Scale: 0.5"], 200, {"scale": "0.5"}),
        (["Scale: .333333333"], 200, {"scale": "0.333333"}),
        (["Scale: 0.001"], 200, {"scale": "0.25"}),
        (["Scale: 100"], 200, {"scale": "8.0"}),
        (["Scale: -100"], 200, {"scale": "-8.0"}),
        (["Scale: -1e9"], 400, {}),
        (["Scale: 0"], 400, {}),
        (["Scale: inf"], 400, {}),
        (["Speed: 4", "Scale: -1"], 200, {"speed": "4.0", "scale": "-1.0"}),
        (["Speed: 4", "Scale: 2"], 200, {"speed": "2.0", "scale": "2.0"}),
        (["Speed: 100"], 200, {"speed": "4.0"}),
        (["Speed: 0.1"], 200, {"speed": "0.25"}),
        (["Speed: 0"], 400, {}),
        (["Speed: -1"], 400, {}),
        ([], 200, {}),
    ],
)
async def test_the_nearest_rate_is_answered(
    server: Server, headers: list[str], status: int, answered: dict[str, str]
) -> None:
    """Conformance P15, P16."""
    """Conformance H17."""
    async with await Client.connect(server.port) as client:
        session = await set_up(client)
        answer = await client.ask("PLAY", "/short.mp4/", session, *headers)
        assert answer.status == status
        assert {name: text for name, text in answer.headers.items() if name in ("scale", "speed")} == answered


@pytest.mark.parametrize(
    ("scale", "wanted", "status", "answered"),
    [
        ("2", "npt=1.5-2.5", 200, "npt=1.000-2.500"),
        ("8", "smpte-25=0:00:02-", 200, "smpte-25=00:00:02:00-00:00:03:00"),
        ("-1", "npt=2.5-0.5", 200, "npt=2.000-0.500"),
        ("-2", "npt=3-", 200, "npt=2.000-0.000"),
        ("-1", "smpte-25=0:00:02:20-0:00:00:10", 200, "smpte-25=00:00:02:00-00:00:00:10"),
        ("-1", "npt=0.5-2.5", 457, ""),
        ("1", "npt=2.5-0.5", 457, ""),
        ("-1", "npt=3.1-0", 457, ""),
        ("2", "clock=20260101T000000Z-", 456, ""),
    ],
)
async def test_a_range_at_another_scale(
    server: Server, scale: str, wanted: str, status: int, answered: str
) -> None:
    async with await Client.connect(server.port) as client:
        session = await set_up(client)
        answer = await client.ask("PLAY", "/short.mp4/", session, f"Range: {wanted}", f"Scale: {scale}")
        assert (answer.status, answer.headers.get("range", "")) == (status, answered)


@pytest.mark.parametrize(
    ("scale", "start", "seconds"), [("2", 0.0, 1.5), ("8", 0.0, 0.375), ("-4", 3.0, 0.5)], ids=str
)
async def test_what_is_sent_at_another_scale(
    server: Server, scale: str, start: float, seconds: float
) -> None:
    """Conformance P15."""
    async with await Client.connect(server.port) as client:
        session = await set_up(client)
        # The natural scale first: its numbers go on.
        await client.ask("PLAY", "/short.mp4/", session)
        await client.packets(0, 3)
        await client.packets(2, 3)
        await client.ask("PAUSE", "/short.mp4/", session)
        video, audio = len(client.frames[0]), len(client.frames[2])
        answer = await client.ask("PLAY", "/short.mp4/", session, f"Range: npt={start}-", f"Scale: {scale}")
        assert answer["Scale"] == f"{scale}.0"
        await client.until(lambda: all(rtcp_kinds(client.frames[track][-1])[-1] == 203 for track in (1, 3)))
        packets = rtp(client, 0)
        assert gaps(packets) == []
        first = packets[video]
        assert (first.sequence, first.timestamp) == answer.rtp_info[0][1:]
        assert (packets[-1].timestamp - first.timestamp) % (1 << 32) <= seconds * 90_000
        assert len(client.frames[2]) == audio
        # Without the header, and at its end, all is as it was.
        answer = await client.ask("PLAY", "/short.mp4/", session)
        assert "scale" not in answer.headers
        assert answer.range == (0.0, 3.0)
        sound = await client.packets(2, audio + 2)
        assert sound[audio].sequence == answer.rtp_info[1][1]
        assert gaps(sound) == []


async def test_while_playing_nothing_asked_is_nothing_changed(server: Server) -> None:
    async with await Client.connect(server.port) as client:
        session = await set_up(client)
        await client.ask("PLAY", "/short.mp4/", session, "Scale: 0.5")
        assert (await client.ask("PLAY", "/short.mp4/", session))["Scale"] == "0.5"
        # From here on at another, as VLC asks for it.
        assert (await client.ask("PLAY", "/short.mp4/", session, "Scale: 2"))["Scale"] == "2.0"
        # And back, as rtspsrc does.
        assert "scale" not in (await client.ask("PLAY", "/short.mp4/", session, "Range: npt=1-")).headers


async def test_sound_alone_has_one_scale(server: Server) -> None:
    async with await Client.connect(server.port) as client:
        session = f"Session: {(await client.setup('/short.mp4/trackID=2')).session}"
        answer = await client.ask("PLAY", "/short.mp4/", session, "Scale: 2")
        assert (answer["Scale"], answer.range) == ("1.0", (0.0, 3.0))
        await client.packets(0, 3)


# To the end


async def test_to_the_end_and_again(server: Server) -> None:
    """Conformance P18, R4, R5."""
    async with await Client.connect(server.port) as client:
        session = await set_up(client, "/brief.mp4")
        first = await client.ask("PLAY", "/brief.mp4/", session)
        await client.until(lambda: any(203 in rtcp_kinds(data) for data in client.frames[3]))
        for channel in (0, 2):
            packets = rtp(client, channel)
            byes = [data for data in client.frames[channel + 1] if 203 in rtcp_kinds(data)]
            assert gaps(packets) == []
            assert [rtcp_kinds(data) for data in byes] == [[200, 202, 203]]
            count, octets = struct.unpack_from("!II", byes[0], 20)
            assert (count, octets) == (len(packets), sum(len(packet.payload) for packet in packets))
        pictures = {packet.timestamp for packet in rtp(client, 0)}
        assert {forward(first.rtp_info[0][2], timestamp) for timestamp in pictures} == {
            FRAME * n for n in range(10)
        }
        # The connection stays, and so does the session: from here it can be played again.
        seen = len(client.frames[0])
        again = await client.ask("PLAY", "/brief.mp4/", session)
        assert again.range[0] == 0.0
        video = (await client.packets(0, seen + 3))[seen:]
        assert video[0].sequence == again.rtp_info[0][1] == (rtp(client, 0)[seen - 1].sequence + 1) & 0xFFFF
        assert forward(max_timestamp(rtp(client, 0)[:seen]), video[0].timestamp) > 0


async def test_a_closed_range_ends_as_with_a_pause(server: Server, sessions: Sessions) -> None:
    """Conformance P13."""
    async with await Client.connect(server.port) as client:
        session = await set_up(client)
        answer = await client.ask("PLAY", "/short.mp4/", session, "Range: npt=1-1.2")
        assert answer.range == (1.0, 1.2)
        start = answer.rtp_info[0][2]
        await client.packets(0, 5)
        (playback,) = sessions
        assert isinstance(playback, Playback)
        player = playback.player
        assert player is not None
        await until(lambda: player.ended)
        video = await client.packets(0, 5)
        assert max(forward(start, packet.timestamp) for packet in video) < 1.3 * 90_000
        assert not any(203 in rtcp_kinds(data) for data in client.frames[1])
        # It is paused: PAUSE is no error, and PLAY goes on from there.
        assert (await client.ask("PAUSE", "/short.mp4/", session)).range[0] == pytest.approx(1.2, abs=0.1)
        seen = len(client.frames[0])
        again = await client.ask("PLAY", "/short.mp4/", session)
        # Pictures that are shown later were sent before the end, since others refer to them.
        assert 1.2 <= again.range[0] <= 1.3
        check_sequence = (await client.packets(0, seen + 5))[seen - 1 :]
        assert gaps(check_sequence) == []


async def test_at_the_end_there_is_something(server: Server) -> None:
    async with await Client.connect(server.port) as client:
        session = await set_up(client)
        answer = await client.ask("PLAY", "/short.mp4/", session, "Range: npt=3-")
        assert answer.range == (2.0, 3.0)


# Seeking and pausing


async def test_seeks_go_on_in_sequence_and_time(server: Server) -> None:
    """Conformance P3, P5, P7."""
    async with await Client.connect(server.port) as client:
        session = await set_up(client)
        seen, last = 0, 0
        for start in (2.0, 0.0, 1.0, 1.0):
            answer = await client.ask("PLAY", "/short.mp4/", session, f"Range: npt={start}-")
            _, sequence, timestamp = answer.rtp_info[0]
            place = client.order.index(answer)
            before = client.order[:place].count(0)
            video = (await client.packets(0, before + 4))[seen:]
            assert answer.range[0] == start
            assert gaps(video) == []
            first = rtp(client, 0)[before]
            assert (first.sequence, first.timestamp) == (sequence, timestamp)
            if before:
                assert forward(last, timestamp) > 0
                assert forward(max_timestamp(rtp(client, 0)[:before]), timestamp) <= 10 * FRAME
            last, seen = max_timestamp(rtp(client, 0)), before


async def test_a_pause_is_gone_on_from(server: Server, ports: Ports, more_ports: Ports) -> None:
    """Conformance P12, P14."""
    async with await Client.connect(server.port) as client:
        session = await set_up_udp(client, ports, more_ports)
        first = await client.ask("PLAY", "/short.mp4/", session)
        video = await ports.packets(8)
        paused = await client.ask("PAUSE", "/short.mp4/", session)
        assert paused.range[1] == 3.0
        assert 0 < paused.range[0] < 1.5
        video += ports.waiting()
        audio = more_ports.waiting()
        assert (await client.ask("PAUSE", "/short.mp4", session)).status == 200
        await asyncio.sleep(0.1)
        assert ports.waiting() == more_ports.waiting() == []
        again = await client.ask("PLAY", "/short.mp4/", session)
        video += await ports.packets(8)
        audio += await more_ports.packets(3)
        assert gaps(video) == gaps(audio) == []
        # The mapping of NPT to timestamps is still the first one.
        moved = again.range[0] - first.range[0]
        for (_, _, before), (_, _, after), rate in zip(
            first.rtp_info, again.rtp_info, (90_000, 48_000), strict=True
        ):
            assert forward(before, after) == pytest.approx(moved * rate, abs=rate / 1000)
        assert video[0].timestamp == first.rtp_info[0][2]


@pytest.mark.parametrize(("meanwhile", "status"), [("/short.mp4", 454), ("/short.mp4/trackID=2", 200)])
async def test_what_another_connection_does_while_a_place_is_looked_for(
    server: Server, monkeypatch: pytest.MonkeyPatch, meanwhile: str, status: int
) -> None:
    """Conformance H18, H20: what is answered is what is there then."""
    start_before = FileSource.start_before
    async with await Client.connect(server.port) as client, await Client.connect(server.port) as other:
        session = await set_up(client)

        async def found_slowly(source: FileSource, seconds: float) -> tuple[Group, Run | None]:
            found = await start_before(source, seconds)
            assert (await other.ask("TEARDOWN", meanwhile, session)).status == 200
            return found

        monkeypatch.setattr(FileSource, "start_before", found_slowly)
        answer = await client.ask("PLAY", "/short.mp4", session)
        assert answer.status == status
        if status == 200:
            assert [url.rpartition("/")[2] for url, _, _ in answer.rtp_info] == ["trackID=1"]
            await client.packets(0, 5)
        assert not client.frames[2]


async def test_who_plays_over_two_connections_does_so_in_turn(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conformance H20: none is answered from the middle of the other."""
    start_before, looking = FileSource.start_before, 0

    async def found_slowly(source: FileSource, seconds: float) -> tuple[Group, Run | None]:
        nonlocal looking
        looking += 1
        assert looking == 1
        for _ in range(20):
            await asyncio.sleep(0.001)
        looking -= 1
        return await start_before(source, seconds)

    monkeypatch.setattr(FileSource, "start_before", found_slowly)
    async with await Client.connect(server.port) as client, await Client.connect(server.port) as other:
        session = await set_up(client)
        for number in range(10):
            client.say("PLAY", "/short.mp4", session, f"Range: npt={number % 3}-")
            other.say("PLAY", "/short.mp4", session, f"Range: npt={number % 2}-")
        statuses = [(await one.answer()).status for _ in range(10) for one in (client, other)]
        assert statuses == [200] * 20
        await client.packets(0, 5)


async def test_who_waits_for_its_turn_finds_what_has_become_of_the_session(
    server: Server, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conformance H18, H20."""
    start_before, found = FileSource.start_before, asyncio.Event()

    async def found_slowly(source: FileSource, seconds: float) -> tuple[Group, Run | None]:
        await found.wait()
        return await start_before(source, seconds)

    monkeypatch.setattr(FileSource, "start_before", found_slowly)
    async with (
        await Client.connect(server.port) as client,
        await Client.connect(server.port) as other,
        await Client.connect(server.port) as third,
    ):
        session = await set_up(client)
        (turn,) = (each.turn for each in sessions)
        client.say("PLAY", "/short.mp4", session)
        await until(turn.locked)
        other.say("PAUSE", "/short.mp4", session)
        found.set()
        assert [(await one.answer()).status for one in (client, other)] == [200, 200]
        found.clear()
        client.say("PLAY", "/short.mp4", session, "Range: npt=1-")
        await until(turn.locked)
        other.say("PLAY", "/short.mp4", session)
        assert (await third.ask("GET_PARAMETER", "/short.mp4", session)).status == 200
        assert (await third.ask("TEARDOWN", "/short.mp4", session)).status == 200
        found.set()
        assert [(await one.answer()).status for one in (client, other)] == [454, 454]


async def test_play_while_playing_changes_nothing(server: Server) -> None:
    """Conformance P12."""
    async with await Client.connect(server.port) as client:
        session = await set_up(client)
        await client.ask("PLAY", "/short.mp4/", session)
        for count in (3, 6, 9):
            await client.packets(0, count)
            answer = await client.ask("PLAY", "/short.mp4/", session)
            assert answer.status == 200
            before = client.order[: client.order.index(answer)].count(0)
            video = await client.packets(0, before + 1)
            assert video[before].sequence == answer.rtp_info[0][1]
        assert gaps(video) == []


# The end of sessions


async def test_teardown_says_goodbye_and_frees_all(server: Server, sessions: Sessions) -> None:
    """Conformance K1, K3, R5."""
    async with await Client.connect(server.port) as client:
        session = await set_up(client)
        await client.ask("PLAY", "/short.mp4/", session)
        await client.packets(0, 3)
        answer = await client.ask("TEARDOWN", "/short.mp4/", session)
        assert answer.status == 200
        assert "session" not in answer.headers
        for channel in (1, 3):
            assert rtcp_kinds(client.frames[channel][-1]) == [200, 202, 203]
        assert client.order[-1] is answer
        assert len(sessions) == 0
        for method in ("PLAY", "PAUSE", "TEARDOWN", "OPTIONS", "GET_PARAMETER"):
            assert (await client.ask(method, "/short.mp4/", session)).status == 454
        assert (await client.setup("/short.mp4/trackID=2", 0)).pair("interleaved") == (0, 1)


@pytest.mark.parametrize("uri", ["/short.mp4", "/short.mp4/", "/", "*"])
async def test_teardown_before_play_has_no_goodbye(server: Server, sessions: Sessions, uri: str) -> None:
    """Conformance K1, R5."""
    async with await Client.connect(server.port) as client:
        session = await set_up(client)
        assert (await client.ask("TEARDOWN", uri, session)).status == 200
        assert len(sessions) == 0
        assert dict(client.frames) == {}


async def test_teardown_of_a_track(server: Server, sessions: Sessions) -> None:
    """Conformance K1."""
    async with await Client.connect(server.port) as client:
        session = await set_up(client)
        assert (await client.ask("TEARDOWN", "/short.mp4/trackID=3", session)).status == 404
        assert (await client.ask("TEARDOWN", "/short.mp4/trackID=1", session)).status == 200
        assert (await client.ask("TEARDOWN", "/short.mp4/trackID=1", session)).status == 404
        answer = await client.ask("PLAY", "/short.mp4/", session)
        assert [url for url, _, _ in answer.rtp_info] == [client.url("/short.mp4/trackID=2")]
        await client.packets(2, 3)
        assert 0 not in client.frames
        assert (await client.ask("TEARDOWN", "/short.mp4/trackID=2", session)).status == 200
        assert len(sessions) == 0


# Parameters


async def test_an_empty_parameter_request_keeps_alive(server: Server) -> None:
    """Conformance K6."""
    async with await Client.connect(server.port) as client:
        session = await set_up(client)
        for method in ("GET_PARAMETER", "SET_PARAMETER"):
            answer = await client.ask(method, "/short.mp4/", session)
            assert (answer.status, answer.body) == (200, b"")
            assert answer["Session"] == f"{session.partition(' ')[2]};timeout=60"
        assert (await client.ask("OPTIONS", "*", session))["Session"].endswith(";timeout=60")


async def test_the_position_can_be_asked_for(server: Server) -> None:
    """Conformance K7."""
    async with await Client.connect(server.port) as client:
        session = await set_up(client)
        assert (await client.ask("GET_PARAMETER", "/short.mp4", session, body=b"position\r\n")).status == 451
        await client.ask("PLAY", "/short.mp4/", session, "Range: npt=1-")
        answer = await client.ask("GET_PARAMETER", "/short.mp4", session, body=b"position\r\n")
        assert answer["Content-Type"] == "text/parameters"
        name, _, value = answer.body.decode().strip().partition(": npt=")
        assert name == "position"
        # Pictures are sent a little before they are shown.
        assert 0.9 <= float(value) < 2.0
        both = await client.ask("GET_PARAMETER", "/short.mp4", session, body=b"position\r\nrice\r\n")
        assert (both.status, both.body) == (451, b"rice\r\n")
        # Nothing can be set, and nothing of a request that names two is done.
        refused = await client.ask("SET_PARAMETER", "/short.mp4", session, body=b"position: npt=0\r\n")
        assert (refused.status, refused.body) == (451, b"position\r\n")


async def test_methods_in_states_they_are_not_valid_in(server: Server) -> None:
    """Conformance P2, P14, T14."""
    async with await Client.connect(server.port) as client:
        session = await set_up(client)
        early = await client.ask("PAUSE", "/short.mp4/", session)
        assert (early.status, "PLAY" in early["Allow"], "PAUSE" in early["Allow"]) == (455, True, False)
        await client.ask("PLAY", "/short.mp4/", session)
        late = await client.setup("/short.mp4/trackID=1", None, session)
        assert late.status == 455
        assert gaps(await client.packets(0, 5)) == []


async def test_teardown_of_a_track_that_plays_leaves_the_others_playing(server: Server) -> None:
    """Conformance K1, K3."""
    async with await Client.connect(server.port) as client:
        session = await set_up(client)
        await client.ask("PLAY", "/short.mp4/", session)
        await client.packets(0, 3)
        await client.packets(2, 3)
        answer = await client.ask("TEARDOWN", "/short.mp4/trackID=2", session)
        assert answer.status == 200
        before = client.order[: client.order.index(answer)].count(0)
        video = await client.packets(0, before + 5)
        assert gaps(video) == []
        assert 2 not in client.order[client.order.index(answer) :]
        assert not any(203 in rtcp_kinds(data) for data in client.frames[1])
        assert 203 in rtcp_kinds(client.frames[3][-1])
