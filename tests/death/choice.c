/* SPDX-License-Identifier: MIT
 *
 * Choosing instructions, and reckoning with those that were not reached; see choice.h.
 */
#include "tests/death/choice.h"

#include "tests/death/stage.h"

#include <stdio.h>
#include <string.h>

/* In the short run, a scene of a first call takes one in so many of what was reached before; and a
 * producer stands still at one in so many of the private functions' instructions. */
#define SAMPLE 8u

static bool in_list(const char *symbol, const char *const list[])
{
    for (; *list; list++)
        if (strncmp(symbol, *list, strlen(*list)) == 0)
            return true;
    return false;
}

bool choice_is_private(const char *symbol)
{
    static const char *const list[] = {
        "shmlog_put_",           "shmlog_parse_format_", "shmlog_blob_",
        "shmlog_token_",         "shmlog_quoted_end_",   "shmlog_skip_",
        "shmlog_split_",         "shmlog_name_of_",      "shmlog_given_name_",
        "shmlog_is_one_of_",     "shmlog_add_name",      "shmlog_build_site_",
        "shmlog_start_time_",    "shmlog_read_file_",    "shmlog_sys_",
        "shmlog_block_signals_", "shmlog_unblock_",      "shmlog_random_",
        "shmlog_path_",          "shmlog_find_segment_", "shmlog_init_local_",
        "shmlog_check_control_", "shmlog_table_fits_",   NULL};

    return in_list(symbol, list);
}

bool choice_skips(size_t index)
{
    const struct place *const place = &stage.places.place[index];

    if (stage.share > 1 && index % stage.share)
        return true;
    if (stage.thorough)
        return false;
    if (stage.scene->brief)
        return place->reached;
    if (stage.fate == FATE_STOP && choice_is_private(place->symbol) && index % SAMPLE)
        return true;          /* nobody could notice */
    if (stage.life.elsewhere) /* all anew, but for what touches nothing of the thread's */
        return stage.fate != FATE_SIGNAL || choice_is_private(place->symbol);
    if (stage.fate != FATE_KILL)
        return stage.life.own ? place->reached_owned : place->reached;
    if (choice_is_private(place->symbol))
        return place->reached;
    return stage.scene->first && place->reached && (index + stage.number) % SAMPLE;
}

/* What a log call runs through, and what makes it ready to: all of it has to be reached. */
static bool has_to_be_reached(const char *symbol)
{
    static const char *const list[] = {"call_",
                                       "shmlog_commit_",
                                       "shmlog_make_room_",
                                       "shmlog_wait_room_",
                                       "shmlog_sleep_",
                                       "shmlog_monotonic_ns_",
                                       "shmlog_claim_ring_",
                                       "shmlog_register_site_",
                                       "shmlog_register_",
                                       "shmlog_new_producer_",
                                       "shmlog_publish_site_",
                                       "shmlog_block_signals_",
                                       "shmlog_unblock_signals_",
                                       NULL};

    /* what users call in advance also serves logs that attach later, for which there is a test */
    static const char *const but[] = {"shmlog_register_thread", NULL};

    return in_list(symbol, list) && !in_list(symbol, but);
}

/* Why no scene gets to some instructions of a function; "" not known. */
static const char *reason_of(const char *symbol)
{
    static const struct {
        const char *symbol, *reason;
    } reasons[] = {
        {"shmlog_sys_", "system calls that fail"},
        {"shmlog_random_", "getrandom() fails"},
        {"shmlog_find_producer_", "a thread that is ending"},
        {"shmlog_may_copy_", "attachments that come and go"},
        {"shmlog_new_state_", "a thread that is ending"},
        {"shmlog_count_lost_", "a thread that is ending"},
        {"shmlog_leave_ring_", "a copy of another shared object that is behind"},
        {"shmlog_open_threads_", "mappings that fail"},
        {"shmlog_own_ring", "without a log"},
        {"shmlog_register_thread", "a log that attaches later: test later"},
        {"shmlog_put_elsewhere_", "a log that attaches later: test later"},
        {"shmlog_put_raw_elsewhere_", "a log that attaches later: test later"},
        {"shmlog_attach_later_", "a log that attaches later: test later"},
        {"shmlog_put_inline_", "arguments of other kinds: test unregistered"},
        {"shmlog_put_raw_inline_", "a struct that is too long: test_producer_sites"},
        {"shmlog_take_share_", "one that has had its share of sites: test_producer_sites"},
        {"shmlog_no_site_", "a struct that is too long: test_producer_sites"},
        {"shmlog_kept_producer_", "a table that is full of the dead: test tables"},
        {"shmlog_wipe_on_fork_", "a kernel that does not wipe: test no_wipe"},
        {"shmlog_lost_in_dead_", "a log that attaches later: test later"},
        {"shmlog_hand_over_", "a log that attaches later: test later"},
        {"shmlog_was_replaced_", "a log that attaches later: test later"},
        {"shmlog_leave_segment_", "a log that attaches later: test later"},
        {"shmlog_follow_", "a log that attaches later: test later"},
        {"shmlog_step_aside_", "a log that attaches later: test later"},
        {"shmlog_absolute_", "a log that attaches later: test later"},
        {"shmlog_start_thread_", "a log that attaches later: test later"},
        {"shmlog_end_thread_", "a log that attaches later: test later"},
        {"shmlog_make_empty_", "a log that attaches later: test later"},
        {"shmlog_keep_attached_", "a log that attaches later: test later"},
        {"shmlog_unfollow_", "a log that attaches later: test later"},
        {"shmlog_status", "a log that attaches later: test later"},
        {"shmlog_hold_bus_", "another handler of SIGBUS"},
        {"shmlog_release_bus_", "detaching"},
        {"shmlog_sign_off_", "detaching"},
        {"shmlog_unmap_", "detaching"},
        {"shmlog_detach_", "detaching"},
        {"shmlog_parse_format_", "conversions that these formats do not have"},
        {"shmlog_token_", "texts of arguments that these calls do not have"},
        {"shmlog_quoted_end_", "texts of arguments that these calls do not have"},
        {"shmlog_skip_", "texts of arguments that these calls do not have"},
        {"shmlog_split_", "texts of arguments that these calls do not have"},
        {"shmlog_name_of_", "texts of arguments that these calls do not have"},
        {"shmlog_given_name_", "texts of arguments that these calls do not have"},
        {"shmlog_is_one_of_", "texts of arguments that these calls do not have"},
        {"shmlog_add_name", "texts of arguments that these calls do not have"},
        {"shmlog_put_long_", "strings that are NULL or cut, arguments of other types"},
        {"shmlog_put_raw_long_", "structs of other sizes"},
        {"shmlog_path_", "paths that are too long, rings with high numbers"},
        {"shmlog_folder_trusted_", "segments looked up by name: here a path is given"},
        {"shmlog_find_segment_", "segments looked up by name: here a path is given"},
        {"shmlog_check_control_", "segments that are refused"},
        {"shmlog_map_", "files that are refused, mappings that fail"},
        {"shmlog_take_entry_", "too many attachments"},
        {"shmlog_init_local_", "a process name by option, no rseq"},
        {"shmlog_attach_", "segments that are refused"},
        {"shmlog_open_file_", "files that are refused"},
        {"shmlog_open_ring_", "files that are refused"},
        {"shmlog_read_control_", "files that are refused"},
        {"shmlog_check_ring_", "files that are refused"},
        {"shmlog_version_text_", "not in a log call"},
        {"shmlog_replace_", "a file cut short under way: not in a log call"},
        {"shmlog_lose_", "a file cut short under way: not in a log call"},
        {"shmlog_pass_bus_on_", "a file cut short under way: not in a log call"},
        {"shmlog_on_bus_", "a file cut short under way: not in a log call"},
        {"shmlog_lock_bus_", "another thread that attaches"},
        {"shmlog_unguard_", "detaching"},
        {"shmlog_open", "waiting for a segment, options"},
        {"shmlog_close", "not in a log call"},
        {"shmlog_strerror", "not in a log call"},
        {"shmlog_set_level", "not in a log call"},
        {"shmlog_lost", "not in a log call"},
        {"shmlog_thread_lost", "not in a log call"},
        {"", "?"},
    };
    size_t i = 0;

    while (strncmp(symbol, reasons[i].symbol, strlen(reasons[i].symbol)) != 0)
        i++;
    return reasons[i].reason;
}

/* One line for each function with instructions that were not reached: places are in order. */
static void print_table(void)
{
    const struct places *const p = &stage.places;

    printf("not reached, of how many, and why:\n");
    for (size_t i = 0; i < p->count; i++) {
        const char *const symbol = p->place[i].symbol;
        unsigned all = 0, left = 0;
        bool before = false;

        for (size_t k = 0; k < i && !before; k++)
            before = strcmp(p->place[k].symbol, symbol) == 0;
        for (size_t k = i; k < p->count && !before; k++)
            if (strcmp(p->place[k].symbol, symbol) == 0) {
                all++;
                left += !p->place[k].reached;
            }
        if (left)
            printf("    %4u %4u  %-28s %s\n", left, all, symbol, reason_of(symbol));
    }
}

size_t choice_report(bool whole)
{
    size_t reached = 0;

    for (size_t i = 0; i < stage.places.count; i++)
        reached += stage.places.place[i].reached;
    printf("%zu of %zu instructions reached, in %u deaths, stops, or signals\n", reached,
           stage.places.count, stage.all_hits);
    if (stage.share > 1)
        printf("one instruction in %u was tried\n", stage.share);
    if (stage.share > 1 || !whole)
        return 0;
    print_table();
    return places_unreached(&stage.places, has_to_be_reached);
}
