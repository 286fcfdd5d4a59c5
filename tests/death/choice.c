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
    static const char *const list[] = {"shmlog_put_long_",
                                       "shmlog_image_",
                                       "shmlog_plan_",
                                       "shmlog_add_",
                                       "shmlog_describe_",
                                       "shmlog_address_",
                                       "shmlog_start_time_",
                                       "shmlog_read_file_",
                                       "shmlog_sys_",
                                       "shmlog_block_signals_",
                                       "shmlog_unblock_",
                                       "shmlog_random_",
                                       "shmlog_find_segment_",
                                       "shmlog_init_local_",
                                       "shmlog_check_control_",
                                       "shmlog_table_fits_",
                                       NULL};

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
        return stage.life.share ? place->reached_shared : place->reached;
    if (choice_is_private(place->symbol))
        return place->reached;
    return stage.scene->first && place->reached && (index + stage.number) % SAMPLE;
}

/* What a log call runs through, and what makes it ready to: all of it has to be reached. */
static bool has_to_be_reached(const char *symbol)
{
    static const char *const list[] = {"victim_",
                                       "shmlog_put",
                                       "shmlog_commit_",
                                       "shmlog_make_room_",
                                       "shmlog_wait_room_",
                                       "shmlog_sleep_",
                                       "shmlog_hold_",
                                       "shmlog_monotonic_ns_",
                                       "shmlog_register_site_",
                                       "shmlog_register_",
                                       "shmlog_publish_",
                                       "shmlog_block_signals_",
                                       "shmlog_unblock_signals_",
                                       NULL};
    return in_list(symbol, list);
}

/* Instructions of these that no scene gets to, at most so many: twice what gcc 12 makes at -O2. */
static size_t may_be_left(const char *symbol)
{
    static const struct {
        const char *symbol;
        size_t count;
    } left[] = {
        {"shmlog_put_records_", 220}, /* see reasons, below */
        {"shmlog_put_long_", SIZE_MAX},
        {"shmlog_put_slot_", SIZE_MAX},
        {"shmlog_register_thread", SIZE_MAX},
        {"shmlog_put_words_", SIZE_MAX},
        {"shmlog_put_texts_", 16},
        {"shmlog_put_image_", 50},
        {"shmlog_make_room_", 10},
        {"shmlog_register_", 24},
        {"shmlog_register_site_", 4},
        {"shmlog_hold_", 10},
        {"shmlog_commit_by_turns_", 4},
    };

    for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++)
        if (strcmp(symbol, left[i].symbol) == 0)
            return left[i].count;
    return 0;
}

/* Why no scene gets to some instructions of a function; "" not known. */
static const char *reason_of(const char *symbol)
{
    static const struct {
        const char *symbol, *reason;
    } reasons[] = {
        {"shmlog_sys_", "system calls that fail"},
        {"shmlog_map_", "mappings that fail, files that are refused"},
        {"shmlog_random_", "getrandom() fails"},
        {"shmlog_register_thread", "a log that attaches later: test later"},
        {"shmlog_find_site_", "a log that attaches later: test later"},
        {"shmlog_attach_now_", "a log that attaches later: test later"},
        {"shmlog_poll", "a log that attaches later: test later"},
        {"shmlog_leave_segment_", "a log that attaches later: test later"},
        {"shmlog_was_replaced_", "a log that attaches later: test later"},
        {"shmlog_make_later_", "a log that attaches later: test later"},
        {"shmlog_miss_", "a log that attaches later: test later"},
        {"shmlog_status", "a log that attaches later: test later"},
        {"shmlog_arena_room_", "one that has had its share of sites: test_producer_sites"},
        {"shmlog_take_producer_", "a table that is full of the dead: test tables"},
        {"shmlog_holder_is_gone_", "holders that died: test shared_ring"},
        {"shmlog_wait_turn_", "holders that let go, or died: test shared_ring"},
        {"shmlog_sign_off_", "detaching"},
        {"shmlog_unmap_", "detaching"},
        {"shmlog_leave_", "detaching"},
        {"shmlog_unguard_", "detaching"},
        {"shmlog_close", "not in a log call"},
        {"shmlog_plan_", "conversions that these formats do not have"},
        {"shmlog_describe_", "a collector of before: test_producer_sites"},
        {"shmlog_add_", "strings that are too long: test_producer_sites"},
        {"shmlog_put_long_", "strings that are NULL or cut, precisions: test_producer_args"},
        {"shmlog_image_", "strings that are NULL or cut, precisions: test_producer_args"},
        {"shmlog_put_words_", "inlined into calls of this file"},
        {"shmlog_count_full_", "a race with another thread"},
        {"shmlog_thread_", "the table full of producers"},
        {"shmlog_inherit_", "holders that died: test turns"},
        {"shmlog_put_texts_", "texts with a size: test_producer_args"},
        {"shmlog_put_image_", "a ring that changed between a look at it and the sequence"},
        {"shmlog_make_room_", "a file cut short: test cut_producer"},
        {"shmlog_hold_", "the dead, and those who were given up: test shared_ring"},
        {"shmlog_commit_by_turns_", "a doorbell: test wait_wakes"},
        {"shmlog_register_site_", "two logs: test many_logs"},
        {"shmlog_register_",
         "an entry that comes free, SHMLOG_OPEN_GUARD: tests turns, cut_producer"},
        {"shmlog_address_", "a char * under %p: test_producer_args"},
        {"shmlog_put_records_",
         "structs of other sizes, batches that are cut in two: test_producer_args"},
        {"shmlog_put_slot_", "fills of a slot that are done before"},
        {"shmlog_turn_", "not each time: test_producer_args"},
        {"shmlog_due_", "not each time: test_producer_args"},
        {"shmlog_trusted_", "segments looked up by name: here a path is given"},
        {"shmlog_find_segment_", "segments looked up by name: here a path is given"},
        {"shmlog_lstat_", "segments looked up by name: here a path is given"},
        {"shmlog_check_", "segments that are refused"},
        {"shmlog_init_local_", "a process name by option, no rseq"},
        {"shmlog_attach_", "segments that are refused"},
        {"shmlog_open_", "files that are refused"},
        {"shmlog_read_control_", "files that are refused"},
        {"shmlog_version_text_", "not in a log call"},
        {"shmlog_replace_", "a file cut short under way: not in a log call"},
        {"shmlog_lose_", "a file cut short under way: not in a log call"},
        {"shmlog_pass_bus_on_", "a file cut short under way: not in a log call"},
        {"shmlog_on_bus_", "a file cut short under way: not in a log call"},
        {"shmlog_guard_", "a file cut short under way: not in a log call"},
        {"shmlog_open", "waiting for a segment, options"},
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

/* One line for each function with instructions that were not reached: places are in order. How many
 * functions have more of them than they may. */
static size_t report_functions(void)
{
    const struct places *const p = &stage.places;
    size_t missed = 0;

    printf("not reached, of how many, and why:\n");
    for (size_t i = 0; i < p->count; i++) {
        const char *const symbol = p->place[i].symbol;
        const size_t left = places_unreached(p, symbol);
        unsigned all = 0;
        bool before = false;

        for (size_t k = 0; k < i && !before; k++)
            before = strcmp(p->place[k].symbol, symbol) == 0;
        if (before || !left)
            continue;
        for (size_t k = i; k < p->count; k++)
            all += strcmp(p->place[k].symbol, symbol) == 0;
        printf("    %4zu %4u  %-28s %s\n", left, all, symbol, reason_of(symbol));
        if (has_to_be_reached(symbol) && left > may_be_left(symbol)) {
            places_print_unreached(p, symbol);
            missed++;
        }
    }
    return missed;
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
    return report_functions();
}
