"""Each planted fault applies to the source and is caught by a test."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from needs import lacking
from tools.plant import PATCHES, ROOT


def test_there_is_a_patch_for_each_fault_that_a_server_must_never_have() -> None:
    assert {patch.stem for patch in PATCHES.glob("*.patch")} == {
        "leaked_task", "log_split_in_two", "lost_line", "messages_swapped", "name_freed_too_early",
        "second_leave_notice", "unflushed_at_cancel", "unflushed_at_close", "unflushed_at_drain",
        "unflushed_at_hub", "unflushed_at_tls",
        # Of rooms, nicks, private messages, ignoring and receipts.
        "left_room_still_heard", "private_word_in_the_room", "old_nick_stays_taken",
        "ignoring_ends_with_a_nick", "number_comes_twice", "receipt_for_everyone",
        # Of holding, resuming, removing and a history.
        "receipt_not_kept", "message_said_twice", "grace_ignored", "takeover_told_to_a_room",
        "private_numbers_restart", "private_messages_never_forgotten", "removed_number_reused",
        "end_of_a_lost_connection_ends_the_new_one", "held_member_comes_back_as_another",
        "numbers_of_a_history_come_again",
        # Of the history's memory and file.
        "batch_written_twice", "oldest_event_outlives_the_ring", "removed_word_stays_in_the_index",
        "removed_text_comes_back_from_the_file", "unclean_end_taken_for_clean",
        "unwritten_events_missing_in_pages",
        # Of errands, of coming back, and of slow readers.
        "gap_untold", "gap_between_stretches_untold", "errand_overtaken", "quit_is_held",
        "past_told_beside_the_present", "dropped_lines_forgotten",
        # Of members who are cut off again and again, over many lives: `test_coming_back.py` there
        # or tools/coming_back.py catches each, within a few seeds.
        "private_word_lost_in_replay", "private_word_told_as_missed",
        "private_word_replayed_twice", "private_words_kept_without_hold", "hold_stays_as_it_was",
        "renamed_not_replayed", "old_topic_on_return", "topic_lost_at_a_restart",
        "removed_action_comes_back", "anybody_removes_anything",
        "words_of_a_former_life_cannot_be_removed", "own_words_unmarked_after_a_restart",
        "own_words_unmarked_on_resume", "receipts_forgotten_on_resume",
        "former_token_opens_the_new_member", "resumed_under_another_name", "held_name_is_free",
        "grace_runs_on_after_resume", "ignoring_ends_when_held", "ignored_member_whispers",
        "gap_of_a_slow_reader_too_short", "dropped_receipt_counts_as_a_word_to_oneself",
        # Of a shared log that loses its newest part.
        "move_repeated_after_a_second_loss",
        # Of browsers.
        "frames_cut_at_line_ends", "goodbye_behind_half_a_frame", "pongs_dropped",
        # Of the chat's client for programs.
        "client_forgets_what_it_has_seen", "client_keeps_every_event",
        "client_leaves_without_quitting", "client_says_again_under_another_id",
        "client_says_again_without_looking", "client_says_what_was_given_up",
        "client_shows_a_replay_again", "client_trusts_a_silent_login",
        "client_waits_for_a_dropped_answer", "client_waits_for_what_was_unreadable",
    }  # fmt: skip


@pytest.mark.parametrize("patch", sorted(PATCHES.glob("*.patch")), ids=lambda patch: patch.stem)
def test_each_fault_can_still_be_planted(patch: Path) -> None:
    if shutil.which("git") is None:
        lacking("git, which applies the patches, is not installed")
    check = ["git", "apply", "--check", str(patch)]
    run = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"the source has changed: make {patch.name} again\n{run.stderr}"
