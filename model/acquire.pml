/*
 * The local engine as a model for Spin. README.md beside this file says which label is which function, what is checked,
 * what was searched, and what is left out.
 *
 * Every labelled `atomic { … }` is one step of one process: at most one call of the system, and the computing in memory
 * around it. Between two steps anything may happen to the others, and the process may be killed, or stopped.
 *
 * A process is a *member*, with an event loop and one or two *requests*; a request has one ticket at a time. A member that
 * is killed begins again as a new member with a new ticket: no slot is used again after a death.
 *
 * A ticket is linked at *any* place in the order. So nothing here leans on a clock, and reading the number, however long
 * before the link, needs no step of its own.
 *
 * -DCLAIMS=1 exclusive, 2 exclusive and shared, 3 permits of two
 * -DPROCS=n processes      -DPAIRS=n the first n have two requests       -DROUNDS=n holds of each request
 * -DCRASHES=n kill -9      -DREBIRTH=0 the killed stay away              -DSTOPS=n stopped for ever
 * -DABORTS=n called off    -DTRIES=1 any request may be a try, 2 all are -DSTAY=1 who holds may hold for ever
 * -DKEPT=1 any connections are there from the start                      -DBUSY=1 a backlog may be full
 * -DSLOW_LISTS=1 a listing takes two steps                               -DBELT=1 waiters look once a second
 * -DSTRANGERS=n connections opened by others in the name of any member   -DSTRICT=1 see EXCUSED
 * -DONLY=name one check alone
 */
#ifndef CLAIMS
#define CLAIMS 1
#endif
#ifndef PROCS
#define PROCS 3
#endif
#ifndef PAIRS
#define PAIRS 0
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef REBIRTH
#define REBIRTH 1
#endif
#ifndef STOPS
#define STOPS 0
#endif
#ifndef ABORTS
#define ABORTS 0
#endif
#ifndef TRIES
#define TRIES 0
#endif
#ifndef STAY
#define STAY 0
#endif
#ifndef KEPT
#define KEPT 0
#endif
#ifndef BUSY
#define BUSY 0
#endif
#ifndef SLOW_LISTS
#define SLOW_LISTS 0
#endif
#ifndef BELT
#define BELT 0
#endif
#ifndef STRANGERS
#define STRANGERS 0
#endif
#ifndef STRICT
#define STRICT 0
#endif

/* Members, and tickets, are numbered from 0. A set of them is a mask; one such set for each of them is a matrix. */
#define MEMBERS (PROCS + REBIRTH * CRASHES)
#define TICKETS (MEMBERS + PAIRS)
#define BIT(n) (1 << (n))
#define ROW(matrix, r) (((matrix) >> (5 * (r))) & 31)
#define HAS(matrix, r, c) (((matrix) >> (5 * (r) + (c))) & 1)
#define CELL(r, c) (1 << (5 * (r) + (c)))
#define CELLS(r, mask) ((mask) << (5 * (r)))
#define COLUMN(c) (1082401 << (c)) /* bits 0, 5, 10, 15, 20 */
/* The rows that have `c`, as a mask; and a column `c` for the rows in a mask. */
#define GATHER(matrix, c) \
  (HAS(matrix, 0, c) | HAS(matrix, 1, c) << 1 | HAS(matrix, 2, c) << 2 | HAS(matrix, 3, c) << 3 | HAS(matrix, 4, c) << 4)
#define SPREAD(mask, c) \
  ((((mask) & 1) | ((mask) & 2) << 4 | ((mask) & 4) << 8 | ((mask) & 8) << 12 | ((mask) & 16) << 16) << (c))
#define IS_ONE(mask) (((mask) & ((mask) - 1)) == 0) /* or none */
#define ALL 31
#define NONE 255

/* Where a process has two requests, they are next to each other: 0 and 1 are those of member 0. */
#define OWNER(t) (((t) < 2 * PAIRS) * ((t) / 2) + ((t) >= 2 * PAIRS) * ((t) - PAIRS))
#if PAIRS == 0
#define OWNED(members) (members)
#elif PAIRS == 1
#define OWNED(members) (((members) & 1) * 3 | ((members) & 30) << 1)
#else
#define OWNED(members) (((members) & 1) * 3 | ((members) & 2) * 6 | ((members) & 28) << 2)
#endif
#define IS_SECOND(t) ((t) < 2 * PAIRS && (t) % 2 == 1)

/* The directory. */
byte there;  /* tickets */
byte marked; /* tickets with a mark beside them */
byte shared; /* tickets whose claim is shared; the others are exclusive, or permits */
int ahead;   /* of each ticket, those whose names sort before it */
byte leaving; /* tickets that have left, and whose place is needed until their successors are listed */

/* The kernel. */
byte alive;   /* members that run */
byte listens; /* members that can be connected to: those that live, and for a moment those that were killed */
byte stopped; /* members that take no step any more */
int opened;   /* by each member, to whom: connections that the one who lives has not seen end yet */
int unread;   /* by each member, by whom: connections whose hello it has not read yet */
int forged;   /* by each member: in whose name somebody else has opened a connection to it */

/* In the memory of each member. */
byte running; /* members in the middle of steps between which their event loop does not run */
int dead;     /* tickets that it has found dead */
int busy;     /* tickets whose backlog was full when it last connected */
int told;     /* tickets that it has told, and that have not looked since: they may never hear of it */
int targets;  /* tickets that it is about to tell */
int after;    /* who stood behind its last ticket that has left, if anybody was told of that */
byte lastShared; /* members whose last ticket that has left was shared */

/* In the memory of each request. */
byte sleeping; /* tickets that wait to be woken */
int on;        /* whom each waits for; without those whose names are gone */
byte tries;    /* tickets whose request never waits */
byte crowd;    /* tickets that stand for a second request of their process too */
byte entering; /* tickets whose request is on its way into the queue */
byte started;  /* tickets whose request has begun */
byte finished; /* tickets whose request is done */
#if SLOW_LISTS
int seen;      /* by each ticket: what was there when its listing was opened, and still is */
int seenMarks;
#endif

/* Only the checks look at these. */
byte holds;       /* tickets that hold */
byte joined;      /* tickets that have joined */
int earlier;      /* who had joined before each */
int crowdEarlier; /* who had joined before its second request */
byte owed;        /* tickets that died holding, and that no holder has learnt of yet; not those that shared */
byte changed;     /* tickets that wait for one whose name is gone */
bool granted;     /* somebody has held */

/* What is checked, by name, so that a failed assert says which it was; see README.md. With -DONLY=name the others are not. */
#ifdef ONLY
#define UNCHECKED 1
#else
#define UNCHECKED 0
#endif
hidden byte EXCLUSION = UNCHECKED, ORDER = UNCHECKED, AWAKE = UNCHECKED, DEATH = UNCHECKED;
hidden byte REMOVAL = UNCHECKED, RECOVERED = UNCHECKED, TRY = UNCHECKED, SOUND = UNCHECKED;

byte crashes = CRASHES;
byte aborts = ABORTS;
byte nextMember = PROCS;

/* Scratch: no step looks at what another one left in these. */
hidden byte here, first, second, set, shown, shownMarks;
hidden int some;

#define IS_ALIVE(m) (alive & BIT(m))
#define IS_SHARED(t) (shared & BIT(t))
#define IS_MARKED(t) (marked & BIT(t))
#define CONFLICTS(t) (ALL & ~(shared * (IS_SHARED(t) != 0)))
/* With whom `m` has a connection that it knows of, whoever opened it; and with whom it thinks it has. */
#define CONNECTED(m) (ROW(opened, m) | (GATHER(opened, m) & ~ROW(unread, m)))
#define SEEMS_CONNECTED(m) (CONNECTED(m) | ROW(forged, m))
/* Tickets that `m` has a connection to which it opened itself. */
#define REACHED(m) OWNED(ROW(opened, m) | BIT(m))
/* Tickets of which `m` has proof that they live: as old as its event loop is late. */
#define PROVEN(m) (REACHED(m) | ROW(busy, m))
#define CAN_TELL(m) (OWNED(BIT(m)) | (shownMarks & OWNED(SEEMS_CONNECTED(m))))
/* Members whose connections to `m` have ended, and whose hello it has read. */
#define ENDED(m) (GATHER(opened, m) & ~alive & ~ROW(unread, m) & ~BIT(m))

/* A step in the middle of a run. The killed and the stopped take none. */
#define STEP \
  !(stopped & BIT(me)); \
  if \
  :: !IS_ALIVE(me) -> goto killed \
  :: else \
  fi
/* The first step of a run: the event loop has come to it, and what it waited for is there. */
#define AWAIT(what) \
  !IS_ALIVE(me) || (!((stopped | running) & BIT(me)) && (what)); \
  if \
  :: !IS_ALIVE(me) -> goto killed \
  :: else -> running = running | BIT(me) \
  fi
/* The run ends: the event loop may go on. */
#define REST running = running & ~BIT(me)

/* Sets `here` to any one of a mask. */
inline pick(mask) {
  if
  :: (mask) & 1 -> here = 0
  :: (mask) & 2 -> here = 1
  :: (mask) & 4 -> here = 2
  :: (mask) & 8 -> here = 3
  :: (mask) & 16 -> here = 4
  fi
}

/* Sets `x` to the one of `set` that is ahead of all others in it, or that is behind them. */
#define IS_FIRST(x) ((set & BIT(x)) && !(ROW(ahead, x) & set))
#define IS_LAST(x) ((set & BIT(x)) && (ROW(ahead, x) & set) == (set & ~BIT(x)))
inline firstOfSet(x) {
  if
  :: IS_FIRST(0) -> x = 0
  :: IS_FIRST(1) -> x = 1
  :: IS_FIRST(2) -> x = 2
  :: IS_FIRST(3) -> x = 3
  :: IS_FIRST(4) -> x = 4
  :: else -> x = NONE
  fi
}
inline lastOfSet(x) {
  if
  :: IS_LAST(0) -> x = 0
  :: IS_LAST(1) -> x = 1
  :: IS_LAST(2) -> x = 2
  :: IS_LAST(3) -> x = 3
  :: IS_LAST(4) -> x = 4
  :: else -> x = NONE
  fi
}

#if SLOW_LISTS
#define OPEN_LISTING(t) \
  seen = seen | CELLS(t, there); seenMarks = seenMarks | CELLS(t, marked)
#define READ_LISTING(t) \
  shown = ROW(seen, t); shownMarks = ROW(seenMarks, t); seen = seen & ~CELLS(t, ALL); seenMarks = seenMarks & ~CELLS(t, ALL)
#else
#define READ_LISTING(t) shown = there; shownMarks = marked
#endif

/* Any place in the order: behind nobody, or behind one that is there and all ahead of that one. */
inline insert(t) {
  set = there | leaving;
  if
  :: some = 0
  :: set != 0 -> pick(set); some = ROW(ahead, here) | BIT(here)
  fi;
  ahead = ahead | CELLS(t, some) | SPREAD(set & ~some, t);
  there = there | BIT(t)
}

/* The place of `t` is needed no longer. */
#define FORGET_PLACE(t) ahead = ahead & ~CELLS(t, ALL) & ~COLUMN(t); leaving = leaving & ~BIT(t)

/* Who has told nobody, or nobody who has yet to look, has nothing to repeat. */
#define TELLERS (((told | targets) & CELLS(0, ALL)) != 0) * CELLS(0, ALL) | (((told | targets) & CELLS(1, ALL)) != 0) * CELLS(1, ALL) \
  | (((told | targets) & CELLS(2, ALL)) != 0) * CELLS(2, ALL) | (((told | targets) & CELLS(3, ALL)) != 0) * CELLS(3, ALL) \
  | (((told | targets) & CELLS(4, ALL)) != 0) * CELLS(4, ALL)
#if CRASHES > 0
#define FORGET_AFTER after = after & (TELLERS); lastShared = lastShared & ((ROW(after, 0) != 0) | (ROW(after, 1) != 0) << 1 | (ROW(after, 2) != 0) << 2 | (ROW(after, 3) != 0) << 3 | (ROW(after, 4) != 0) << 4)
#else
#define FORGET_AFTER skip
#endif

/* The name of `t` is gone. */
inline takeOut(t) {
  assert(REMOVAL || (there & BIT(t))); /* never twice */
  there = there & ~BIT(t); marked = marked & ~BIT(t); joined = joined & ~BIT(t); sleeping = sleeping & ~BIT(t);
  changed = (changed | GATHER(on, t)) & ~BIT(t);
  on = on & ~CELLS(t, ALL) & ~COLUMN(t);
  earlier = earlier & ~CELLS(t, ALL) & ~COLUMN(t);
  crowdEarlier = crowdEarlier & ~CELLS(t, ALL) & ~COLUMN(t);
  dead = dead & ~COLUMN(t); busy = busy & ~COLUMN(t); told = told & ~COLUMN(t); targets = targets & ~COLUMN(t);
  after = after & ~COLUMN(t); FORGET_AFTER;
#if SLOW_LISTS
  seen = seen & ~COLUMN(t); seenMarks = seenMarks & ~COLUMN(t);
#endif
}

/* Somebody else removes the ticket of a dead one. */
inline removeDead(t) {
  assert(REMOVAL || !IS_ALIVE(OWNER(t))); /* a living ticket is never removed by another process */
  assert(RECOVERED || !(owed & BIT(t)));  /* nor that of a holder, before the next holder has learnt of it */
  takeOut(t);
  FORGET_PLACE(t); shared = shared & ~BIT(t)
}

/* T: sets `on` to those that `t` waits for, by what is shown. Nobody: it is its turn. */
inline decide(t) {
  set = shown & ROW(ahead, t) & ~ROW(dead, me) & CONFLICTS(t);
  lastOfSet(first);
  some = 0;
  if
  :: first == NONE
  :: first != NONE && CLAIMS != 3 -> some = BIT(first)
  :: first != NONE && CLAIMS == 3 ->
    set = set & ~BIT(first);
    lastOfSet(second);
    if
    :: second != NONE -> some = BIT(first) | BIT(second)
    :: second == NONE -> some = BIT(first) & ~PROVEN(me) /* a permit is free; but was the other one left by a dead one? */
    fi
  fi;
  on = (on & ~CELLS(t, ALL)) | CELLS(t, some);
  changed = changed & ~BIT(t)
}

/* R: sets `targets` to those to be told, of `stood`, who stand behind a ticket that has left. */
inline successors(stood, wasShared) {
  set = (stood) & ~ROW(dead, me) & CAN_TELL(me);
  some = 0;
  if
  :: CLAIMS != 3 && !(wasShared) -> /* all who share, up to the first exclusive; or that one */
    shown = set; set = set & ~shared;
    firstOfSet(first);
    if
    :: first == NONE -> some = shown
    :: first != NONE && (shown & ROW(ahead, first)) -> some = shown & ROW(ahead, first)
    :: else -> some = BIT(first)
    fi
  :: else -> /* the first; of permits, the first two */
    firstOfSet(first);
    if
    :: first == NONE
    :: first != NONE && CLAIMS != 3 -> some = BIT(first)
    :: first != NONE && CLAIMS == 3 ->
      some = BIT(first); set = set & ~BIT(first);
      firstOfSet(first);
      if
      :: first != NONE -> some = some | BIT(first)
      :: else
      fi
    fi
  fi;
  targets = (targets & ~CELLS(me, ALL)) | CELLS(me, some)
}

/* Wakes tickets. A wake-up that comes while its ticket does not sleep needs no memory here: it lists before it sleeps. */
#define WAKE(tickets) sleeping = sleeping & ~(tickets)

/*
 * R: one write. It wakes at once: read later, it would only wake once more. What is written to a dead one is lost, and
 * nobody knows before the end of that connection is noticed.
 */
inline tellOne() {
  if
  :: ROW(targets, me) == 0 /* the last of them has left meanwhile */
  :: else ->
    pick(ROW(targets, me));
    targets = targets & ~CELL(me, here);
    if
    :: CRASHES > 0 && OWNER(here) != me -> told = told | CELL(me, here)
    :: else
    fi;
    if
    :: IS_ALIVE(OWNER(here)) && (OWNED(BIT(me) | CONNECTED(me)) & BIT(here)) -> WAKE(BIT(here))
    :: else
    fi
  fi
}

/* The request that `t` stands for begins to hold; `before` are those that had joined when it came. */
inline checkGrant(t, before) {
  set = holds & CONFLICTS(t) & ~BIT(t);
  assert(EXCLUSION || (CLAIMS == 3 && IS_ONE(set)) || set == 0);
  /* of those who came earlier, and live, none is in the way; of permits, at most one */
  set = (before) & CONFLICTS(t) & ~BIT(t) & OWNED(alive);
  assert(ORDER || (CLAIMS == 3 && IS_ONE(set)) || set == 0)
}

inline closeTicket(m, t) {
  if
  :: OWNER(t) == m && t < TICKETS ->
    on = on & ~CELLS(t, ALL);
    earlier = earlier & ~CELLS(t, ALL) & ~COLUMN(t); crowdEarlier = crowdEarlier & ~CELLS(t, ALL) & ~COLUMN(t);
#if SLOW_LISTS
    seen = seen & ~CELLS(t, ALL); seenMarks = seenMarks & ~CELLS(t, ALL);
#endif
    if
    :: !(there & BIT(t)) -> FORGET_PLACE(t); shared = shared & ~BIT(t)
    :: else
    fi
  :: else
  fi
}

/* The kernel closes what a member had open. The ends that others have yet to notice stay in `opened`. */
inline close(m) {
  alive = alive & ~BIT(m); running = running & ~BIT(m); stopped = stopped & ~BIT(m);
  dead = dead & ~CELLS(m, ALL); busy = busy & ~CELLS(m, ALL); told = told & ~CELLS(m, ALL);
  targets = targets & ~CELLS(m, ALL); unread = unread & ~CELLS(m, ALL); forged = forged & ~CELLS(m, ALL);
  after = after & ~CELLS(m, ALL); lastShared = lastShared & ~BIT(m);
  opened = opened & ~CELLS(m, ALL & ~alive) & ~(COLUMN(m) & ~SPREAD(alive, m));
  set = OWNED(BIT(m));
  owed = owed | (holds & set & ~shared);
  holds = holds & ~set; sleeping = sleeping & ~set; tries = tries & ~set; crowd = crowd & ~set;
  entering = entering & ~set; changed = changed & ~set; joined = joined & ~set;
  closeTicket(m, 0);
  closeTicket(m, 1);
  closeTicket(m, 2);
  closeTicket(m, 3);
  closeTicket(m, 4)
}

/* What is asked for. */
inline choose(t) {
  if
  :: CLAIMS != 2
  :: CLAIMS == 2 -> shared = shared & ~BIT(t)
  :: CLAIMS == 2 -> shared = shared | BIT(t)
  fi;
  if
  :: TRIES != 2
  :: TRIES != 0 -> tries = tries | BIT(t)
  fi
}

/* Whether a waiter looks without having been woken. A look that would show nothing new is left out. */
#define LOOKS_BY_CLOCK(t) \
  ((tries & BIT(t)) || (BUSY && (ROW(on, t) & ~REACHED(me))) || (BELT && (changed & BIT(t))))

/* Processes are all alike: so they begin in their order. */
#define MAY_BEGIN(t) (PAIRS > 0 || t == 0 || t >= PROCS || (started & BIT(t - 1)))

/* The way out. The mark goes first. */
#define LEAVE marked = marked & ~BIT(t); goto unlink
#define CALL_OFF aborts--; LEAVE
#define LEFT \
  REST; \
  if \
  :: again -> goto link \
  :: else -> \
    shared = shared & ~BIT(t); tries = tries & ~BIT(t); entering = entering & ~BIT(t); rounds--; \
    if \
    :: rounds > 0 -> goto link \
    :: else -> goto finish \
    fi \
  fi

/* After a decision: hold; give up; connect, mark, or sleep. */
#define LIVE !(some & ~PROVEN(me))
#define JOINING (some & ~shownMarks & ~OWNED(BIT(me))) /* perhaps: it has no mark */
#define GO_ON \
  some = ROW(on, t); \
  if \
  :: some == 0 -> goto grant \
  :: some != 0 && (tries & BIT(t)) && LIVE && !(JOINING & ~joined) -> LEAVE /* Y: null */ \
  :: some != 0 && !((tries & BIT(t)) && LIVE && !JOINING) \
  fi; \
  todo = some & ~REACHED(me); \
  REST; \
  if \
  :: todo != 0 -> WAKE(BIT(t)); goto connect \
  :: todo == 0 && !IS_MARKED(t) -> WAKE(BIT(t)); goto mark \
  :: else -> FALL_ASLEEP; goto list \
  fi
#if SLOW_LISTS
#define FALL_ASLEEP skip /* since its listing was opened, in case that it was woken meanwhile */
#else
#define FALL_ASLEEP sleeping = sleeping | BIT(t)
#endif

/*
 * Those who died holding, and of whom this grant need not know. Of permits: those that do not stand ahead; and those whose death
 * has not been noticed yet. The next holder behind them learns of it. (With -DSTRICT=1 there is no such excuse for those
 * that stand ahead: then there is a schedule in which it is needed.)
 */
#define EXCUSED(t) ((CLAIMS == 3) * (~ROW(ahead, t) | (!STRICT) * PROVEN(me)))

#define CAN_SHARE_TICKET(t) (CLAIMS != 3 && !IS_SHARED(t) == !IS_SHARED(t - 1) && !((tries >> (t - 1)) & 3))
#define JOIN_CROWD(t) crowd = crowd | BIT(t - 1); shared = shared & ~BIT(t); REST; goto finish

/* A process that is done, and has nothing to repeat, matters no more but for those who wait for its answer. Keeps the states few. */
inline forgetFinished() {
  unread = unread & ~COLUMN(me);
  opened = (opened & ~CELLS(me, ALL) & ~COLUMN(me)) | SPREAD(ROW(unread, me), me)
}

proctype Request(byte me; byte t) {
  byte rounds = ROUNDS;
  byte todo = 0;      /* whom it is about to connect to, or to bury */
  bool again = false; /* it withdraws only to join again */

  if
  :: IS_SECOND(t) -> goto come
  :: else
  fi;

link: /* J: link */
  atomic {
    AWAIT(MAY_BEGIN(t));
    if
    :: !again && !IS_SECOND(t) -> choose(t)
    :: else
    fi;
    again = false; started = started | BIT(t); entering = entering | BIT(t);
    insert(t)
  }
#if SLOW_LISTS
join_open:
  atomic { STEP; OPEN_LISTING(t); earlier = earlier | CELLS(t, joined) }
#endif
join_list: /* J: list; T: whose turn? */
  atomic {
    STEP;
    READ_LISTING(t);
    if
    :: shown & ~ROW(ahead, t) & ~BIT(t) -> again = true; goto unlink /* anything behind, dead or alive: join again */
    :: else
    fi;
#if !SLOW_LISTS
    earlier = earlier | CELLS(t, joined);
#endif
    joined = joined | BIT(t); entering = entering & ~BIT(t);
    if
    :: crowd & BIT(t) -> crowdEarlier = crowdEarlier | CELLS(t, ROW(earlier, t))
    :: else
    fi;
    decide(t);
    GO_ON
  }

connect: /* W: connect, to one after the other; L: who refuses is dead */
  atomic {
    AWAIT(true);
    if
    :: aborts > 0 && !(crowd & BIT(t)) -> CALL_OFF
    :: true
    fi;
    pick(todo);
    todo = todo & ~BIT(here); busy = busy & ~CELL(me, here);
    if
    :: !HAS(on, t, here) /* ENOENT: gone */
    :: HAS(on, t, here) && !(listens & BIT(OWNER(here))) -> /* ECONNREFUSED: dead */
      assert(DEATH || !IS_ALIVE(OWNER(here))); /* no living one is taken for dead */
      dead = dead | CELL(me, here)
    :: HAS(on, t, here) && (listens & BIT(OWNER(here))) -> /* connected: says hello */
      opened = opened | CELL(me, OWNER(here));
      if
      :: IS_ALIVE(OWNER(here)) -> unread = unread | CELL(OWNER(here), me)
      :: else
      fi
    :: HAS(on, t, here) && (listens & BIT(OWNER(here))) && BUSY -> busy = busy | CELL(me, here) /* EAGAIN */
    fi;
    REST;
    if
    :: todo != 0 -> goto connect
    :: else
    fi
  }
#if CLAIMS == 2 && CRASHES > 0
sweep: /* dead ones that shared broke nothing: whoever has found them removes them */
  atomic {
    AWAIT(true);
    if
    :: ROW(dead, me) & shared -> pick(ROW(dead, me) & shared); removeDead(here); REST; goto sweep
    :: else -> REST
    fi
  }
#endif
mark: /* W: mark the own ticket, unless it is marked */
  atomic {
    AWAIT(true);
    if
    :: aborts > 0 && !(crowd & BIT(t)) -> CALL_OFF
    :: true
    fi;
    marked = marked | BIT(t);
    REST
  }
list: /* W: sleep; T: list, decide */
  atomic {
    AWAIT(!(sleeping & BIT(t)) || LOOKS_BY_CLOCK(t) || aborts > 0);
    if
    :: !(sleeping & BIT(t)) || LOOKS_BY_CLOCK(t)
    :: aborts > 0 && (crowd & BIT(t)) -> /* of two requests one is called off */
      aborts--; crowd = crowd & ~BIT(t); crowdEarlier = crowdEarlier & ~CELLS(t, ALL); REST; goto list
    :: aborts > 0 && !(crowd & BIT(t)) -> CALL_OFF
    fi;
#if SLOW_LISTS
    sleeping = sleeping | BIT(t);
    OPEN_LISTING(t)
  }
list_read:
  atomic {
    STEP;
#endif
    told = told & ~COLUMN(t); FORGET_AFTER;
    READ_LISTING(t);
    decide(t);
    GO_ON
  }

grant: /* its turn has come */
  atomic {
    STEP;
    if
    :: aborts > 0 && !(crowd & BIT(t)) -> CALL_OFF
    :: true
    fi;
    WAKE(BIT(t));
    holds = holds | BIT(t); granted = true;
    checkGrant(t, ROW(earlier, t));
    todo = ROW(dead, me) & ROW(ahead, t) & ~shared; /* if any, it has recovered */
    assert(RECOVERED || IS_SHARED(t) || todo != 0 || !(owed & ~EXCUSED(t)));
    if
    :: !IS_SHARED(t) && todo != 0 -> owed = owed & ~todo
    :: else -> todo = 0; REST; goto holding
    fi
  }
bury: /* removes the dead ahead */
  atomic {
    STEP;
    pick(todo); todo = todo & ~BIT(here);
    if
    :: there & BIT(here) -> removeDead(here)
    :: else
    fi;
    if
    :: todo != 0 -> goto bury
    :: else -> REST
    fi
  }
holding:
  atomic {
    AWAIT(true);
    if
    :: crowd & BIT(t) -> /* S: the next request of this process holds, by the same ticket */
      checkGrant(t, ROW(crowdEarlier, t));
      crowd = crowd & ~BIT(t); crowdEarlier = crowdEarlier & ~CELLS(t, ALL); REST; goto holding
    :: !(crowd & BIT(t)) -> LEAVE
    :: !(crowd & BIT(t)) && STAY -> REST; goto finish
    :: !(crowd & BIT(t)) && STAY -> REST; stopped = stopped | BIT(me); goto finish
    fi
  }

unlink: /* R: unlink. It is out from here on */
  atomic { STEP; holds = holds & ~BIT(t); takeOut(t); leaving = leaving | BIT(t) }
#if SLOW_LISTS
leave_open:
  atomic { STEP; OPEN_LISTING(t) }
#endif
leave_list: /* R: list, and choose whom to tell */
  atomic {
    STEP;
    READ_LISTING(t);
    second = shown & ~ROW(ahead, t) & ~BIT(t);
    successors(second, IS_SHARED(t));
    if
    :: CRASHES > 0 && ROW(targets, me) != 0 ->
      after = (after & ~CELLS(me, ALL)) | CELLS(me, second);
      lastShared = (lastShared & ~BIT(me)) | (IS_SHARED(t) != 0) * BIT(me)
    :: else
    fi;
    FORGET_PLACE(t);
    if
    :: ROW(targets, me) == 0 -> LEFT
    :: else
    fi
  }
leave_tell: /* R: one write after the other */
  atomic {
    STEP;
    tellOne(); FORGET_AFTER;
    if
    :: ROW(targets, me) == 0 -> LEFT
    :: else -> goto leave_tell
    fi
  }

come: /* S: a second request of the process: it shares the ticket of the first for as long as nobody stands behind that */
  atomic {
    AWAIT(started & BIT(t - 1));
    choose(t);
    if
    :: (entering & BIT(t - 1)) && CAN_SHARE_TICKET(t) -> JOIN_CROWD(t)
    :: (joined & BIT(t - 1)) && CAN_SHARE_TICKET(t) && !(there & ~ROW(ahead, t - 1) & ~BIT(t - 1)) ->
      crowdEarlier = crowdEarlier | CELLS(t - 1, joined & ~BIT(t - 1));
      JOIN_CROWD(t)
    :: else -> REST
    fi
  }
enter: /* requests of one process enter in their order */
  atomic { AWAIT(!(entering & BIT(t - 1))); REST; goto link }

killed: /* it begins again, as a new member with a new ticket */
  atomic {
    if
    :: REBIRTH && nextMember < MEMBERS && !IS_SECOND(t) ->
      me = nextMember; nextMember++; t = me + PAIRS;
      alive = alive | BIT(me); listens = listens | BIT(me);
      rounds = ROUNDS; todo = 0; again = false;
      goto link
    :: else -> goto over
    fi
  }

finish: /* it stays, idle */
  atomic {
    if
    :: stopped & BIT(me) -> goto over
    :: else
    fi;
    AWAIT(true);
    finished = finished | BIT(t);
#if PAIRS == 0
    if
    :: ROW(told, me) == 0 -> forgetFinished()
    :: else
    fi;
#endif
    REST
  }
over:
  skip
}

/* The event loop of a member, while no request of it runs. */
#define LOOP_AWAIT(what) IS_ALIVE(me) && !((stopped | running) & BIT(me)) && (what)
#define LOOP_STEP \
  !(stopped & BIT(me)); \
  if \
  :: !IS_ALIVE(me) -> goto events \
  :: else \
  fi
proctype Loop(byte me) {
events: /* a hello is read, and answered; or the end of a connection is noticed */
  atomic {
    LOOP_AWAIT(ROW(unread, me) || (ROW(opened, me) & ~alive) || ENDED(me));
    if
    :: ROW(unread, me) ->
      pick(ROW(unread, me));
      unread = unread & ~CELL(me, here);
      WAKE(OWNED(BIT(me))); /* it can tell the other one from now on: that may have been too late */
      if
      :: IS_ALIVE(here) -> WAKE(OWNED(BIT(here))) /* the answer */
      :: else
      fi;
#if PAIRS == 0
      if
      :: (finished & BIT(me)) && ROW(told, me) == 0 -> opened = opened & ~CELL(here, me)
      :: else
      fi;
#endif
      goto events
    :: ROW(opened, me) & ~alive -> pick(ROW(opened, me) & ~alive); opened = opened & ~CELL(me, here)
    :: ENDED(me) -> pick(ENDED(me)); opened = opened & ~CELL(here, me)
    fi;
    WAKE(OWNED(BIT(me)));
    if
    :: ROW(told, me) & OWNED(BIT(here)) -> /* its last wake-up may never have been heard */
      told = told & ~CELLS(me, OWNED(BIT(here))); running = running | BIT(me)
    :: else -> goto events
    fi
  }
retell: /* R: what was told may never have been heard: so the successors of the last ticket that has left are told again */
  atomic {
    LOOP_STEP;
    shown = there; shownMarks = marked;
    successors(shown & ROW(after, me), lastShared & BIT(me));
    if
    :: ROW(targets, me) == 0 -> FORGET_AFTER; REST; goto events
    :: else
    fi
  }
retell_one:
  atomic {
    LOOP_STEP;
    tellOne(); FORGET_AFTER;
    if
    :: ROW(targets, me) == 0 -> REST; goto events
    :: else -> goto retell_one
    fi
  }
}

#if CRASHES > 0
/* kill -9 of one that is not done. Its connections end; and a moment later its socket is closed. */
#if PAIRS == 0
#define MORTAL (alive & started & ~finished)
#else
#define MORTAL alive
#endif
proctype Reaper() {
  do
  :: atomic { crashes > 0 && MORTAL -> crashes--; pick(MORTAL); close(here) }
  :: atomic { listens & ~alive -> listens = listens & alive }
  od
}

/*
 * Dead exclusive tickets (not permits) behind one that has joined never held: its owner may remove them. The code does when a connection to
 * a dead one has ended; here it is at any time.
 */
#define SWEEPABLE_BY(t) (there & ~ROW(ahead, t) & ~BIT(t) & ~OWNED(listens) & ~shared)
#define SWEEPS(t) (CLAIMS != 3 && t < TICKETS && (joined & OWNED(alive & ~stopped & ~running) & BIT(t)) && SWEEPABLE_BY(t))
proctype Sweeper() {
  do
  :: atomic { SWEEPS(0) -> pick(SWEEPABLE_BY(0)); removeDead(here) }
  :: atomic { SWEEPS(1) -> pick(SWEEPABLE_BY(1)); removeDead(here) }
  :: atomic { SWEEPS(2) -> pick(SWEEPABLE_BY(2)); removeDead(here) }
  :: atomic { SWEEPS(3) -> pick(SWEEPABLE_BY(3)); removeDead(here) }
  :: atomic { SWEEPS(4) -> pick(SWEEPABLE_BY(4)); removeDead(here) }
  od
}
#endif

#if STRANGERS > 0
/* Somebody who may connect but not write in the directory says hello in the name of a member. */
proctype Stranger() {
  byte strangers = STRANGERS, m;
  do
  :: atomic {
      strangers > 0 && alive -> strangers--; pick(alive); m = here; pick(BIT(MEMBERS) - 1);
      forged = forged | CELL(m, here); WAKE(OWNED(BIT(m))); m = 0
    }
  od
}
#endif

#if STOPS > 0
/* SIGSTOP, and nobody ever continues it. */
proctype Stopper() {
  byte stops = STOPS;
  do
  :: atomic { stops > 0 && (alive & ~stopped) -> stops--; pick(alive & ~stopped); stopped = stopped | BIT(here) }
  od
}
#endif

/* When nothing more can happen. */
#define COULD_HOLD(t) \
  ((there & BIT(t)) && !(holds & BIT(t)) && (OWNED(alive & ~stopped) & BIT(t)) \
   && (CLAIMS == 3 -> IS_ONE(IN_THE_WAY(t)) : IN_THE_WAY(t) == 0))
#define IN_THE_WAY(t) (there & ROW(ahead, t) & OWNED(alive) & CONFLICTS(t))
proctype Quiet() {
  atomic {
    timeout;
    assert(SOUND || !(running & alive & ~stopped)); /* of the model: nobody is stuck in the middle of a run */
    here = 0;
    do
    :: here < TICKETS -> assert(AWAKE || !COULD_HOLD(here)); here++
    :: else -> break
    od;
    assert(TRY || granted || TRIES != 2 || CRASHES || ABORTS || STOPS) /* of those who try a free lock, one gets it */
  }
}

#if KEPT
/* Connections of earlier holds: any. */
inline keep(a, b) {
  if
  :: true
  :: opened = opened | CELL(a, b)
  fi
}
#endif

init {
  atomic {
#ifdef ONLY
    ONLY = 0;
#endif
    alive = BIT(PROCS) - 1; listens = alive;
#if KEPT
    keep(0, 1); keep(1, 0); keep(0, 2); keep(2, 0); keep(1, 2); keep(2, 1);
#endif
    here = 0;
    do
    :: here < PROCS + PAIRS -> run Request(OWNER(here), here); here++
    :: else -> break
    od;
    here = 0;
    do
    :: here < MEMBERS -> run Loop(here); here++
    :: else -> break
    od;
#if CRASHES > 0
    run Reaper(); run Sweeper();
#endif
#if STRANGERS > 0
    run Stranger();
#endif
#if STOPS > 0
    run Stopper();
#endif
    run Quiet()
  }
}
