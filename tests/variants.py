"""Which variants of a test does the default run try? Of those named here only these; `-m long` runs the others.

Each one named here has shown that it finds what its kind can find; the others differ in what brings it about. Whole
tests that are left out carry `@pytest.mark.long` themselves.
"""

from __future__ import annotations

IN_DEFAULT: dict[str, tuple[str, ...]] = {
    # candidates and checks
    "test_a_bad_start_is_refused": (
        "raises", "memory", "daemons", "deletes a file", "changes its script", "writes a file",
    ),
    "test_a_broken_candidate_is_refused_and_never_served": (
        "raises", "syntax error", "method", "hangs", "st.exception",
    ),
    "test_code_is_run_twice_and_a_term_once": ("a term",),
    "test_what_grows_in_its_soak_is_rolled_back": ("memory",),
    "test_a_bad_check_ends_in_a_clear_result_and_the_others_still_run": ("hangs",),
    "test_a_check_that_is_told_to_end_leaves_nothing_behind": ("15", "1"),
    # locks
    "test_a_push_takes_a_lock_away_that_nobody_holds": ("refs/gitrelease/live", "refs/tags/release/3", "HEAD"),
    "test_a_push_of_documents_takes_a_lock_on_the_branch_away": ("HEAD",),
    "test_a_lock_stays_while_a_git_is_at_work_from_elsewhere": ("by --git-dir",),
    "test_an_edit_that_cannot_be_recorded_is_tried_with_pauses_and_goes_live_when_it_can": ("refs/heads/deploy",),
    # killed, cut off
    "test_an_agent_that_is_killed_at_any_point_leaves_production_whole": ("deploy", "push", "rollback"),
    "test_an_agent_that_is_killed_leaves_every_instance_whole": ("group first",),
    "test_whoever_else_is_killed_in_a_release_leaves_production_whole": (
        "client-stage: started", "front-traffic: written down, not switched",
    ),
    "test_whoever_is_killed_in_the_middle_of_a_restart_refuses_nobody": ("front of test-restart: started",),
    "test_these_are_the_points_that_the_work_passes": ("deploy",),
    "test_an_init_that_is_killed_can_be_repeated_and_taken_back": ("init: before the hooks",),
    "test_a_down_that_is_killed_is_brought_to_its_end_by_the_next": ("down: the groups are",),
    "test_who_stays_is_served_while_others_come_and_go": ("",),
    "test_a_push_that_is_cut_off_completes_or_never_starts": ("local-killed-moved", "ssh-killed-moved"),
    "test_a_pusher_who_is_suspended_keeps_nobody_waiting": ("local-staged",),
    "test_the_push_of_one_who_goes_on_too_late_is_looked_at_once_more_with_its_approval": ("local",),
    "test_a_suspended_client_whose_output_is_full_stops_no_hook_for_good": (),
    "test_an_agent_that_a_push_has_started_holds_no_session_open_and_outlives_it": ("local",),
    "test_an_approval_is_heard_on_every_road": ("ssh",),
    "test_a_few_rounds_of_everything_at_once_lose_nothing": (),
    # damage
    "test_a_deleted_tag_or_pointer_is_put_back": ("refs/tags/release/2",),
    "test_a_head_that_a_power_cut_emptied_is_on_its_branch_again": ("",),
    "test_what_production_ran_with_stays_where_its_settings_are_lost": ("half",),
    "test_a_tag_whose_object_is_damaged_bars_nobody": ("refs/tags/release/2",),
    "test_a_push_does_not_change_what_was_released": ("delete the tag of what is live",),
    "test_a_release_and_the_way_back_go_on_with_what_was_read_last": ("gone",),
    "test_what_only_looks_or_moves_refs_goes_by_what_was_read_last": ("no_toml",),
    "test_a_rollback_works_on_a_full_disk": ("a cold one",),
    "test_a_database_that_cannot_be_used_disturbs_nobody": ("spoil-is damaged",),
    "test_what_endangers_production_is_a_problem": ("no agent", "no tag"),
    "test_init_puts_back_what_pushes_need": ("a hook is gone", "pushes are refused", "what init made is gone"),
    "test_recover_puts_back_what_was_lost": ("a lock is left over", "the settings are gone", "the pointer is gone"),
    "test_what_the_owner_himself_may_not_write_is_named": ("objects", "gitrelease/journal.jsonl"),
    "test_what_is_broken_has_a_line_and_a_remedy": (
        "a hook is not executable", "pushes are refused", "a lock is left over", "HEAD is gone", "no TOML",
        "a file in the place of our folder", "no interpreter", "a package is missing", "no Python",
    ),
    "test_a_line_of_the_crontab_is_known": ("alone",),
    # who may, who looks
    "test_a_command_of_another_user_is_refused_with_whom_to_be": ("status", "rollback", "up", "pin", "init"),
    "test_another_user_is_refused_with_the_remedy": ("agent",),
    "test_without_the_right_token_there_is_one_line": ("",),
    "test_what_only_looks_works_without_an_agent": ("history",),
    "test_a_group_that_is_none_is_named": ("deploy",),
    "test_a_receiver_that_refuses_is_named_in_the_log_without_its_secrets": ("500",),
    "test_hooks_that_are_looked_for_elsewhere_are_told_of_put_right_and_taken_back": ("--local",),
    "test_a_length_of_time_is_understood_as_the_example_has_it": ("--every",),
    # open pages
    "test_pages_of_an_old_process_that_has_to_end_go_to_the_one_that_serves": ("its time is over",),
    # repositories
    "test_a_clone_without_the_whole_history_is_a_production_checkout": ("--depth=1", "--filter=blob:none"),
    "test_a_shared_repository_shares_its_objects_and_nothing_of_ours": ("group",),
    "test_under_any_umask_what_is_ours_stays_ours_and_releases_go_live": ("0077", "0000"),
    # signatures: both tools are tried with a good one and a bad one
    "test_a_document_that_nobody_signed_does_not_move_the_branch": ("ssh",),
    "test_a_push_does_not_switch_the_rule_off_for_itself": ("ssh",),
    "test_a_rollback_of_a_part_needs_no_signature_and_what_comes_after_it_does": ("ssh",),
    "test_a_tag_that_comes_after_its_branch_in_one_push_is_too_late": ("ssh",),
    "test_a_tag_that_is_not_signed_or_is_one_of_ours_vouches_for_nothing": ("ssh",),
    "test_a_tree_that_is_replaced_behind_a_signature_is_not_served": ("ssh",),
    "test_an_edit_on_disk_is_refused_stays_and_can_be_committed_signed": ("ssh",),
    "test_an_unsigned_commit_below_a_signed_head_is_refused": ("ssh",),
    "test_an_unsigned_commit_is_refused_before_it_runs": ("ssh",),
    "test_unsigned_commits_on_the_host_are_taken_back_and_can_be_signed": ("ssh",),
    "test_check_and_plan_say_who_has_to_sign": ("ssh",),
    "test_deploy_with_approval_needs_a_signature_too": ("ssh",),
    "test_a_signed_tag_that_came_first_lets_its_commit_in": ("ssh",),
    "test_a_missing_tool_refuses_and_condemns_nothing": ("ssh",),
    "test_a_key_that_the_host_does_not_know_is_refused": ("gpg",),
    "test_a_key_that_was_revoked_since_is_refused_in_gits_words": ("ssh",),
}  # fmt: skip


def in_default(test: str, variant: str) -> bool:
    """Does the default run try this variant, by pytest's id for its parameters, of the function `test`?"""
    return variant in IN_DEFAULT.get(test, (variant,))
