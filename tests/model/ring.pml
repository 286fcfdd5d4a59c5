/* SPDX-License-Identifier: MIT
 *
 * The ring protocol, for spin: every interleaving of a few writers, the collector and a live
 * reader over a ring of a few slots. tests/model/check says which sizes and policies are tried, and
 * which mutations of the protocol have to be found wrong. One step here is one access of the code
 * to shared memory; the comments name its function. Where steps are put together, neither side
 * could tell.
 *
 * Writers of a core's ring guard each step by `cs`: of those that run on a core, one runs at a
 * time, and the one that was interrupted inside its sequence begins anew (rseq). What they do
 * outside the sequence, they may do on any core. Of a shared ring (SHARED), a writer is the holder
 * while it writes, of those that run at the same time; who finds it held waits, or gives up, or takes
 * the place of a holder that is dead. Or the others are signal handlers of the first one (HANDLER).
 *
 * Memory order: spin's memory is sequentially consistent, so that what a weaker machine does is
 * written down: slot words are stored in any order, and a head is seen by others (`seen_head`) at
 * any time after it was stored, though not after what a release or a fence puts behind it.
 *
 * Left out: positions that wrap at 2^64, numbers that wrap at 2^32, damaged rings, and the files
 * (a record is delivered when its block is committed to the outbox).
 */
#define DROP 1
#define OVERWRITE 2
#define WAIT 3

#ifndef POLICY
#define POLICY DROP
#endif
#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef RECORDS
#define RECORDS 2 /* of the first writer */
#endif
#ifndef OTHERS
#define OTHERS 1 /* of each further one */
#endif
#ifndef CAP
#define CAP 3 /* slots of the ring: more than a record */
#endif
#ifndef MAXREC
#define MAXREC 2 /* slots of a record at most: SHMLOG_RECORD_SLOTS */
#endif
#ifndef GAPS_MAX
#define GAPS_MAX 1 /* as in drain.c */
#endif
#ifndef DEATHS
#define DEATHS 0 /* writers that are killed, at any step */
#endif
#ifndef RESTARTS
#define RESTARTS 0 /* collectors that are killed, at any step; another one takes over */
#endif
#ifndef OUTBOX_FULL
#define OUTBOX_FULL 0 /* commits to the outbox that find no room */
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 0 /* wait policy: may wait_ns run out? */
#endif
#ifndef SHARED
#define SHARED 0
#endif
#ifndef HANDLER
#define HANDLER 0 /* shared ring: the writers behind the first are its signal handlers */
#endif
#ifndef GIVE_UPS
#define GIVE_UPS 0 /* shared ring: may a holder be waited for in vain? */
#endif
#ifndef FOLLOWER
#define FOLLOWER 0 /* reads of a live reader beside the collector */
#endif

#if SHARED
#define AGAIN take
#else
#define AGAIN begin
#endif
#define ALL (RECORDS + (WRITERS - 1) * OTHERS)
#define MINE (me == 0 -> RECORDS : OTHERS)
#define BELL 2 /* the doorbell rings at multiples of this */
#define NEVER 255

/* Only who may be overtaken looks at slots that are being written: for others a slot is stored in
 * one step, and a head is seen at once (seen later means looked at earlier). */
#define WORDS (POLICY == OVERWRITE || FOLLOWER)

/* ---- the ring file ---- */

typedef slot_words {
    byte seq;  /* seq and site are of one 8-byte word, or stored one after the other */
    byte size; /* slots of the record; 0 in those after its first */
    byte val;  /* stands for all words of the payload: which record this is */
};
slot_words slot[CAP];
byte head; /* as the writers' core has it */
#if WORDS
byte seen_head; /* as the others have it */
#else
#define seen_head head
#endif
byte limit = (POLICY == OVERWRITE -> NEVER : CAP);
byte doorbell, tail, tail_seq = 1, lost;
byte gave_up_tail = NEVER;
byte holder; /* a writer's SELF, 0 none */

/* ---- the outbox: the ledger line of the ring, as committed ---- */

byte l_pos, l_seq = 1, l_written, l_lost, l_overwritten;

/* ---- what truly happened, to check against ---- */

byte committed; /* records, numbered from 1 */
byte r_pos[ALL + 2], r_size[ALL + 1], r_val[ALL + 1];
byte drop_pos[ALL + 1]; /* of each lost record: how far the ring was filled then */
byte put_late;          /* losses that are in the file */
byte calls, returned, killed, no_ring;
byte writers_done;

/* ---- who runs ---- */

byte cs = NEVER; /* the writer whose sequence is not to be restarted */
bool handling;   /* a signal handler runs in its writer */
bool dead[WRITERS];
bool kill_collector;

#if SHARED
#define SELF (HANDLER -> 1 : me + 1) /* a handler is its thread */
#define RUNS (!HANDLER || handling == (me > 0))
#define SEQ_IF(guard, x) atomic { RUNS && (guard) -> x }
#define SEQ_BEGIN(x) atomic { RUNS -> x }
#elif defined(M_UNGUARDED)
#define SEQ_IF(guard, x) atomic { (guard) -> x }
#define SEQ_BEGIN(x) atomic { x }
#else
#define SEQ_IF(guard, x) atomic { (guard) -> if :: cs == me -> x :: else -> goto begin fi }
#define SEQ_BEGIN(x) atomic { cs = me; x }
#endif

#define SLOT(pos) slot[(pos) % CAP]

#if WORDS
/* One of the 2 * size words that a record consists of, in whatever order. */
inline store_word(k)
{
    if
    :: k % 2 == 0 -> SLOT(h + k / 2).seq = seq; SLOT(h + k / 2).size = (k == 0 -> size : 0)
    :: else -> SLOT(h + k / 2).val = val
    fi;
    todo = todo & ~(1 << k)
}

/* Other cores see a head some time after it was stored. */
active proctype memory()
{
end:
    do
    :: atomic { seen_head != head -> seen_head = head }
    od
}
#else
inline store_slot(k)
{
    SLOT(h + k).seq = seq;
    SLOT(h + k).size = (k == 0 -> size : 0);
    SLOT(h + k).val = val;
    todo--
}
#endif

inline commit()
{
    committed++;
    r_pos[committed] = h;
    r_size[committed] = size;
    r_val[committed] = val;
    r_pos[committed + 1] = h + size;
    head = h + size
}

inline count_lost()
{
    drop_pos[lost] = hh;
    lost++
}

#if SHARED
/* A compare-and-swap, of what was seen before: an acquire, after the release of who let go. Of a
 * holder that is dead, all stores were made. */
#define TAKE(was) atomic { RUNS && holder == (was) -> holder = SELF }
#define LET_GO SEQ_IF(true, holder = 0)
#endif

/* ---- a writer: log calls of one thread (shmlog_commit_four_, shmlog_commit_) ---- */

proctype writer(byte me)
{
    byte n, val, size, h, seq, todo, t, hh;

    {
        do
        :: n == MINE -> break
        :: n < MINE ->
            atomic {
                n++;
                calls++;
                val = 16 * me + n;
                if
                :: size = 1
                :: MAXREC > 1 -> size = 2
                fi
            }
#if SHARED
            if
            :: HANDLER && me > 0 -> handling = true
            :: else
            fi;
take: /* shmlog_hold_() */
            if
            :: TAKE(0)
#ifdef M_TAKEN_FROM_THE_LIVING
            :: atomic { RUNS && holder != 0 && holder != SELF -> holder = SELF }
#elif !HANDLER
            :: atomic { holder != 0 && holder != SELF && dead[holder - 1] -> holder = SELF }
#endif
#if GIVE_UPS
            :: atomic { holder != 0 && holder != SELF -> no_ring++ }; goto next
#endif
#if HANDLER
            /* a handler that finds its thread inside drops its record */
            :: atomic { me > 0 && holder == SELF -> hh = head; count_lost() }; goto next
#endif
            fi;
#endif
begin: /* the sequence; head, limit and the slot before stand still while cs does */
            SEQ_BEGIN(
                h = head;
#if WORDS
                todo = (size == 1 -> 3 : 15);
#else
                todo = size;
#endif
                if
                :: h + size > limit -> goto no_room
                :: else -> seq = SLOT(h + CAP - 1).seq + 1
                fi
            );
#ifdef M_LETS_GO_FIRST
            LET_GO;
#endif
#ifdef M_HEAD_FIRST
            SEQ_IF(true, commit());
#endif
#ifdef M_BELL_FIRST
            doorbell = h + size;
#endif
#if WORDS && !defined(M_NO_ORDER) && (POLICY == OVERWRITE || defined(STORES_IN_ORDER))
            /* x86, or the fence of shmlog_fill_(): no slot is seen before the head of the record before;
             * only who may be overtaken needs that */
            seen_head == head;
#endif
            do
#if WORDS
            :: SEQ_IF(todo & 1, store_word(0))
            :: SEQ_IF(todo & 2, store_word(1))
            :: SEQ_IF(todo & 4, store_word(2))
            :: SEQ_IF(todo & 8, store_word(3))
#else
            :: SEQ_IF(todo > 0, store_slot(size - todo))
#endif
            :: todo == 0 -> break
            od;
#ifndef M_HEAD_FIRST
            SEQ_IF(true, commit()); /* one store, a release: all slots are seen before it */
#endif
#if SHARED && !defined(M_LETS_GO_FIRST)
            LET_GO;
#endif
            /* shmlog_doorbell_(): out of the sequence, perhaps much later; a release */
            if
            :: (h + size) / BELL != h / BELL -> atomic { seen_head >= h + size; doorbell = h + size }
            :: else
            fi;
            goto next;

no_room: /* shmlog_make_room_(); nobody holds a ring meanwhile */
#if SHARED
            LET_GO;
#endif
#if POLICY == OVERWRITE
            limit = NEVER;
            goto AGAIN;
#else
reread_head: /* shmlog_has_room_(): head first */
            if
            :: hh = head
            :: hh = seen_head
            fi;
reread:
            t = tail;
            if
            :: hh + size <= t + CAP -> atomic { limit = t + CAP; goto AGAIN }
            :: else
            fi;
#if POLICY == WAIT
            /* shmlog_wait_room_(): looking again makes no difference until the tail moves */
            if
#ifdef M_STALE_TAIL
            :: hh + size <= t + CAP -> skip
#else
            :: tail != t -> goto reread_head
#endif
#if TIMEOUTS
            :: gave_up_tail == t
            :: gave_up_tail = t
#endif
            fi;
#endif
            /* a release: whoever sees the count sees the head that was too far ahead */
            atomic { seen_head >= hh -> count_lost() };
#endif
next:
            atomic {
                returned++;
                todo = 0; h = 0; seq = 0; t = 0; hh = 0; size = 0; val = 0;
                if
                :: me > 0 && HANDLER -> handling = false
                :: else
                fi
            }
        od
    } unless {
        atomic { dead[me] -> n = MINE; todo = 0; h = 0; seq = 0; t = 0; hh = 0; size = 0; val = 0 }
    }
    writers_done++
}

/* ---- copies, and what may be believed of them (shm/ring_reader.c) ---- */

/* shm_ring_copy() of what stands still */
inline copy_stable(from, count)
{
    i = 0;
    do
    :: i < count -> atomic {
            c[i].seq = SLOT(from + i).seq;
            c[i].size = SLOT(from + i).size;
            c[i].val = SLOT(from + i).val;
            i++
        }
    :: else -> break
    od
}

/* copy_unstable(): word by word, in order */
inline copy_unstable(from, count)
{
    i = 0;
    do
    :: i < count ->
        atomic { c[i].seq = SLOT(from + i).seq; c[i].size = SLOT(from + i).size };
        atomic { c[i].val = SLOT(from + i).val; i++ }
    :: else -> break
    od
}

/* Slots ahead of the head that a writer may be writing: a record; another one where the head of the
 * record before may be seen late. */
#ifdef M_NO_MARGIN
#define MARGIN 0
#elif POLICY != OVERWRITE && !defined(M_ONE_MARGIN)
#define MARGIN (2 * MAXREC)
#else
#define MARGIN MAXREC
#endif

/* shm_ring_overtaken(), with the tail as it is now */
#define OVERTAKEN(p, h) \
    ((h) - (p) > CAP - MARGIN && (POLICY == OVERWRITE || (h) - (p) > CAP || tail > (p)))

/* A record at c[at], the next one, whole: as it was committed, and where. */
inline check_record()
{
    assert(c[at].seq == seq && seq <= committed);
    assert(r_pos[seq] == pos && c[at].size == r_size[seq]);
    assert(c[at].val == r_val[seq]);
    assert(c[at].size == 1 || (c[at + 1].seq == seq && c[at + 1].size == 0));
    assert(c[at].size == 1 || c[at + 1].val == r_val[seq]);
    /* the order of each writer: by the numbers in val */
    assert(r_val[seq] % 16 > last[r_val[seq] / 16]);
    last[r_val[seq] / 16] = r_val[seq] % 16
}

/* shm_ring_catch_up(), find_record(): the first record at or behind a safe place. hd: the head that
 * showed that the cursor was overtaken; `over` is how many records are gone, 0 none found yet. */
inline catch_up()
{
    hd = seen_head - (CAP - MAXREC - CAP / 8);
    over = 0;
    if
    :: hd > pos -> copy_unstable(hd, MAXREC)
    :: else
    fi;
    if
    :: hd <= pos
    :: atomic { hd > pos && OVERTAKEN(hd, seen_head) -> skip }
    :: else -> atomic {
            at = (c[0].size > 0 -> 0 : 1);
            assert(c[at].size > 0 && c[at].seq > seq);
            over = c[at].seq - seq;
            seq = c[at].seq;
            pos = hd + at;
            assert(seq <= committed && r_pos[seq] == pos)
        }
    fi
}

inline forget()
{
    i = 0;
    do
    :: i < CAP -> c[i].seq = 0; c[i].size = 0; c[i].val = 0; i++
    :: else -> break
    od;
    i = 0; n = 0; at = 0; hd = 0; over = 0
}

/* ---- the collector (collector/drain.c) ---- */

/* put_gap(): the oldest gap into the file, where the committed part of the cursor is. None of its
 * records was dropped later than that: it stands behind all that were in the ring before. */
inline put_gap()
{
    do
    :: gap_n[0] > 0 ->
        assert(drop_pos[put_late] <= l_pos);
        put_late++;
        gap_n[0]--;
        l_lost++
    :: else -> break
    od;
    gaps--;
    i = 0;
    do
    :: i < gaps -> gap_pos[i] = gap_pos[i + 1]; gap_n[i] = gap_n[i + 1]; i++
    :: else -> break
    od;
    gap_pos[gaps] = 0;
    gap_n[gaps] = 0;
    i = 0
}

/* note_losses(): one read of the counter */
inline note_losses(where)
{
    atomic {
        if
        :: lost > noted ->
            if
            :: gaps > 0 && (gap_pos[gaps - 1] == where || gaps == GAPS_MAX)
            :: else -> gaps++; gap_pos[gaps - 1] = where
            fi;
#ifndef M_OLD_PLACE
            gap_pos[gaps - 1] = where;
#endif
            gap_n[gaps - 1] = gap_n[gaps - 1] + lost - noted;
            noted = lost
        :: else
        fi
    }
}

inline release()
{
    if
    :: tail != pos ->
#ifdef M_TAIL_FIRST
        tail = pos;
        tail_seq = seq
#else
        tail_seq = seq;
        tail = pos
#endif
    :: else
    fi
}

proctype collector()
{
    byte pos, seq, noted, upto, n, at, i, hd, over, part, gaps, refused;
    byte gap_pos[GAPS_MAX + 1], gap_n[GAPS_MAX + 1], last[WRITERS];
    slot_words c[CAP];
    bool flush;

start: /* drain_open(), drain_release_all(): from the ledger */
    atomic {
        pos = l_pos; seq = l_seq; noted = l_lost; upto = 0; part = 0; gaps = 0; flush = 0;
        put_late = l_lost;
        forget();
        do
        :: i <= GAPS_MAX -> gap_pos[i] = 0; gap_n[i] = 0; i++
        :: else -> break
        od;
        i = 0;
        do
        :: i < WRITERS -> last[i] = 0; i++
        :: else -> break
        od;
        i = 1; /* what was delivered of each writer before */
        do
        :: i < seq -> last[r_val[i] / 16] = r_val[i] % 16; i++
        :: else -> break
        od;
        i = 0
    }
    {
        release();
work: /* drain_work(), without the rounds that find nothing to do */
        atomic { forget(); upto = 0; flush = 0; part = 0 };
        if
        :: atomic { doorbell > pos && doorbell <= pos + CAP -> upto = doorbell }
        :: atomic { seen_head != pos || lost != l_lost -> upto = seen_head; flush = 1 }
        :: atomic {
                writers_done == WRITERS && head == pos && seen_head == pos && lost == l_lost &&
                !kill_collector -> goto done
            }
        fi;

        /* take(), shm_ring_read() */
#if POLICY == OVERWRITE
        atomic {
            hd = seen_head;
            if
            :: OVERTAKEN(pos, hd) -> goto overtaken
            :: else -> upto = (upto > hd -> hd : upto)
            fi
        };
#endif
        if
        :: upto == pos -> goto settle
        :: else -> n = upto - pos
        fi;
#if POLICY == OVERWRITE
        copy_unstable(pos, n);
#ifndef M_NO_RECHECK
        if
        :: atomic { OVERTAKEN(pos, seen_head) -> goto overtaken }
        :: else
        fi;
#endif
#else
        assert(n <= CAP);
        copy_stable(pos, n);
#endif
#ifdef M_RELEASE_FIRST
        atomic { tail_seq = seq; tail = upto };
#endif
        /* put_batch(): in parts, with gaps between them */
        at = 0;
        do
        :: at < n ->
            do
            :: atomic { gaps > 0 && gap_pos[0] <= l_pos -> put_gap() }
            :: else -> break
            od;
            if
            :: refused < OUTBOX_FULL -> /* -EAGAIN: go_back() */
                atomic { refused++; pos = l_pos; seq = l_seq; goto taken }
            :: true
            fi;
            atomic { /* outbox_commit(): the block and the ledger at once */
                part = 0;
                do
                :: at < n && (gaps == 0 || l_pos + part < gap_pos[0]) ->
                    check_record();
                    part = part + c[at].size;
                    pos = pos + c[at].size;
                    at = at + c[at].size;
                    seq++;
                    l_written++
                :: else -> break
                od;
                l_pos = l_pos + part;
                l_seq = seq;
                assert(l_pos == pos);
                part = 0
            }
        :: else -> break
        od;
        goto taken;

overtaken:
        catch_up();
        if
        :: over == 0 -> goto work /* written faster than it can be looked at */
        :: else -> atomic { l_pos = pos; l_seq = seq; l_overwritten = l_overwritten + over }
        fi;

taken: /* before the release: who drops now, drops at the tail that still stands */
#ifdef M_LATE_COUNT
        hd = tail + CAP;
        release();
        note_losses(hd);
#else
        note_losses(tail + CAP);
        release();
#endif

settle: /* everything was taken, and nothing has come since: what was dropped, was dropped here */
        if
        :: flush && pos == upto ->
#ifdef M_OLD_SETTLE
            do
            :: atomic { gaps > 0 -> put_gap() }
            :: else -> break
            od;
            note_losses(pos);
            hd = 1;
#else
            note_losses(tail + CAP);
            hd = (seen_head == pos);
#endif
            do
            :: atomic { gaps > 0 && (hd || gap_pos[0] <= pos) -> put_gap() }
            :: else -> break
            od
        :: else
        fi;
        goto work
    } unless {
        atomic { kill_collector -> kill_collector = false; goto start }
    }
done:
    /* quiescent: produced = written + dropped + in the ring, and the ring is empty */
    assert(l_written + l_overwritten == committed && l_seq == committed + 1);
    assert(l_lost == lost);
    assert(returned <= committed + lost + no_ring && committed + lost + no_ring <= calls);
    assert(calls - returned <= killed)
}

/* ---- a live reader beside the collector (shmlog-dump) ---- */

proctype follower()
{
    byte pos, seq, upto, n, at, i, hd, over, reads, last[WRITERS];
    slot_words c[CAP];

again: /* start_at_tail() */
    pos = tail;
    seq = tail_seq;
    hd = seen_head;
    over = seq;
    if
    :: hd != pos && hd - pos <= CAP -> atomic { over = SLOT(pos).seq }
    :: else
    fi;
    if
    :: atomic { tail != pos || over > seq -> goto again }
    :: atomic { else -> seq = over; assert(r_pos[seq] == pos) }
    fi;
    do
    :: reads == FOLLOWER -> break
    :: reads < FOLLOWER ->
        atomic { reads++; forget() };
        upto = seen_head;
        if
        :: atomic { OVERTAKEN(pos, upto) -> goto overtaken }
        :: else -> n = upto - pos
        fi;
        copy_unstable(pos, n);
#ifndef M_NO_RECHECK
        if
        :: atomic { OVERTAKEN(pos, seen_head) -> goto overtaken }
        :: else
        fi;
#endif
        atomic {
            at = 0;
            do
            :: at < n -> check_record(); pos = pos + c[at].size; at = at + c[at].size; seq++
            :: else -> break
            od
        }
        goto next;
overtaken:
        catch_up();
next:
        skip
    od
}

/* ---- deaths ---- */

proctype reaper()
{
    byte w, collectors;

end:
    do
    :: killed < DEATHS -> atomic {
            w = 0;
            do
            :: w + 1 < WRITERS -> w++
            :: !dead[w] -> break
            od;
            dead[w] = true;
            killed++;
            w = 0
        }
    :: collectors < RESTARTS -> atomic { !kill_collector -> collectors++; kill_collector = true }
    od
}

init
{
    byte w;

    atomic {
        r_pos[1] = 0;
        do
        :: w < WRITERS -> run writer(w); w++
        :: else -> break
        od;
        w = 0;
        run collector();
#if FOLLOWER
        run follower();
#endif
#if DEATHS || RESTARTS
        run reaper()
#endif
    }
}
