/*
 * The local engine as a model for Spin: how a ticket joins, waits, leaves, and who wakes whom. README.md beside this file has the rules
 * by their numbers (J1, W2, …), which function each of them is, what is checked, what was searched, and what is left out.
 *
 * Every `atomic { … }` of `World` is one step of one process: at most one system call that others can see, and the computing in memory
 * around it. Between two steps anything may happen to the others, and the process may be killed, or stopped. Two things are one step
 * though they are several calls; README.md says why nothing is lost by that:
 *  - a listing, and the writes over connections that are there;
 *  - to connect to one whose ticket is gone or dead, and the listing that follows from that.
 *
 * All state is in variables, also where each request is (`at`), so that two states differ in nothing that does not matter: a killed
 * process, and one that is done, leave nothing of themselves but what others see.
 *
 * A process is a *member*, with an event loop and one or two requests. A request has one ticket at a time; the second request of a process
 * may wait by the ticket of the first (rules G). A member that is killed stays dead: a process that begins again is a new one.
 *
 * A ticket is linked at *any* place in the order, but behind all that its request has seen before: nothing else depends on a clock.
 *
 * -DCLAIMS=1 exclusive, 2 exclusive and shared, 3 permits of two         -DSHARED=mask these tickets are shared (CLAIMS=2)
 * -DPROCS=n processes      -DPAIRS=n the first n have two requests       -DROUNDS=n holds of each request
 * -DCRASHES=n kill -9      -DSTOPS=n stopped for ever                    -DABORTS=n cancelled while waiting
 * -DTRIES=1 any request may be a try, 2 all are                          -DSTAY=1 a holder may hold for ever
 * -DENDS=n connections that end although both processes live            -DBUSY=n times a waiter finds a full backlog (EAGAIN)
 * -DKEPT=1 any connections are there from the start                     -DSLOW_LISTS=1 a listing takes two steps
 * -DSTRANGERS=n times somebody connects to a member in another one's name
 * -DDEAD=1 a ticket of a dead process is there from the start           -DLAST=1 tickets are linked behind all that are there
 * -DHELD=1 the first process holds from the start, ahead of all that are there; with -DKEPT=2 all are connected to it
 * -DAT_ONCE=1 a request joins again although its ticket that withdrew has yet to notify
 * -DTHIEF=1 the last process steals what is held: src/engines/local/names/steal.ts
 * -DBELT=1 waiters look once a second      -DSTRICT=1 see EXCUSED      -DONLY=name one check alone
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
#ifndef ENDS
#define ENDS 0
#endif
#ifndef BUSY
#define BUSY 0
#endif
#ifndef KEPT
#define KEPT 0
#endif
#ifndef SLOW_LISTS
#define SLOW_LISTS 0
#endif
#ifndef STRANGERS
#define STRANGERS 0
#endif
#ifndef DEAD
#define DEAD 0
#endif
#ifndef HELD
#define HELD 0
#endif
#ifndef LAST
#define LAST 0
#endif
#ifndef BELT
#define BELT 0
#endif
#ifndef THIEF
#define THIEF 0
#endif
#ifndef AT_ONCE
#define AT_ONCE 0
#endif
#ifndef STRICT
#define STRICT 0
#endif

/* Whether somebody may have died holding. What a theft does to that is left out. */
#define REPORTS ((CRASHES || DEAD) && !THIEF)

/* Members, and tickets, are numbered from 0. A set of them is a mask. The dead ticket of -DDEAD=1 is the last one. */
#define MEMBERS (PROCS + DEAD)
#define REQUESTS (PROCS + PAIRS)
#define TICKETS (REQUESTS + DEAD)
#define BIT(n) (1 << (n))
#define IS_ONE(mask) (((mask) & ((mask) - 1)) == 0) /* or none */
#define ALL 15
#define NONE 255

#if PROCS + PAIRS + DEAD == 2
#define SIZE 2
#define EACH(X) X(0); X(1)
#define EACH_RECORD(X) X(0); X(1); X(2); X(3)
#define UNION(X) (X(0) | X(1))
#elif PROCS + PAIRS + DEAD == 3
#define SIZE 3
#define EACH(X) X(0); X(1); X(2)
#define EACH_RECORD(X) X(0); X(1); X(2); X(3); X(4); X(5)
#define UNION(X) (X(0) | X(1) | X(2))
#else
#define SIZE 4
#define EACH(X) X(0); X(1); X(2); X(3)
#define EACH_RECORD(X) X(0); X(1); X(2); X(3); X(4); X(5); X(6); X(7)
#define UNION(X) (X(0) | X(1) | X(2) | X(3))
#endif

/* With -DPAIRS the tickets 0 and 1 are those of member 0; with -DPAIRS=2, 2 and 3 are those of member 1. */
#if PAIRS == 1
#define OWNER(t) ((t) - ((t) > 0))
#define OWNED(members) (((members) & 1) * 3 | ((members) & 14) << 1)
#define MEMBERS_OF(tickets) (((tickets) & 1) | (tickets) >> 1)
#define SECONDS 2
#elif PAIRS == 2
#define OWNER(t) ((t) / 2)
#define OWNED(members) (((members) & 1) * 3 | ((members) & 2) * 6)
#define MEMBERS_OF(tickets) ((((tickets) & 3) != 0) | (((tickets) & 12) != 0) << 1)
#define SECONDS 10
#else
#define MEMBERS_OF(tickets) (tickets)
#define SECONDS 0 /* requests that may share a ticket: the one of the request before */
#define OWNER(t) (t)
#define OWNED(members) (members)
#endif

/* The directory. */
byte there;       /* tickets */
byte shared;      /* tickets whose claim is shared; the others are exclusive, or permits */
byte ahead[SIZE]; /* of each ticket, those whose names sort before it */

/* The kernel. */
byte alive;         /* members that run */
byte opened[SIZE];  /* by each member, to whom: connections that have not ended, or whose end it has yet to notice */
byte unread[SIZE];  /* of each member, by whom: connections whose hello it has yet to read */
byte inbound[SIZE]; /* of each member, by whom: connections whose hello it has read; or whose end it has yet to notice */
#if ENDS
byte cutOut[SIZE];  /* of those opened, the ones that have ended although both live */
byte cutIn[SIZE];   /* of each member, by whom: connections whose hello it has read, that have ended although both live; it has yet to notice */
#endif
#if STRANGERS
byte fake[SIZE];    /* of each member, by whom: connections that somebody else opened in that one's name */
#endif
#if STOPS
byte stopped;       /* members that take no step any more */
#endif

/* In the memory of each member. */
byte dead[SIZE];    /* tickets that it has found dead */
#if BUSY && CLAIMS == 3
byte busy[SIZE];    /* tickets whose backlog was full when it last connected */
#endif

/* Where each request is, and which switch of steps comes next. */
#define IDLE 0     /* links next */
#define LINKED 1   /* lists next, without a turn of the event loop */
#define DOOMED 2   /* unlinks next, without a turn of the event loop: somebody is behind it */
#define WAITS 3    /* sleeps; lists when woken */
#define CONNECTS 4 /* connects next */
#define HOLDS 5
#define LEFT 6     /* lists next, without a turn of the event loop, and notifies */
#define DONE 7     /* nothing more to do; or killed */
#define TURN 8     /* with a thief: makes its `-h` next, without a turn of the event loop */
#define SECOND 9   /* lists again next, without a turn of the event loop */
#define ROBS 10    /* the thief: renames a `-h` next, without a turn of the event loop */
#define UNLINKS 11 /* the thief: unlinks the ticket next, without a turn of the event loop */
byte at[SIZE];
#if THIEF
#define THIEVES BIT(REQUESTS - 1)
byte marked; /* tickets with `-h`: it holds */
byte robbed; /* those that had it, and whose owner has yet to see that it is gone */
byte crowded; /* those with `-m`: others of their process wait by them */
byte victim; /* whom the thief is about to unlink */
#else
#define THIEVES 0
#endif
#if SLOW_LISTS
byte seen[SIZE];   /* what was there when the listing was opened that is under way */
byte opens;        /* tickets whose listing is under way */
#endif

/* In the memory of each request. */
byte woken;       /* tickets that were woken since their last listing was opened */
byte on[SIZE];    /* whom each waits for; without those whose names are gone */
byte todo[SIZE];  /* whom it is about to connect to */
byte floor[SIZE]; /* those seen, and still there: its next ticket has a higher number */
byte again;       /* requests that withdraw only to join again */
byte quit;        /* requests whose ticket leaves without having held */
byte tries;       /* tickets whose request never waits */
byte began;       /* requests that have begun */
#if ROUNDS > 1
byte round[SIZE]; /* holds so far */
#endif
#if STAY
byte stays;       /* holders for ever */
#endif
#if PAIRS
byte crowd;       /* tickets by which the second request of their process waits too */
#endif

/*
 * P1: the records of departed tickets: of each request two. Those of a member are in its memory. A record is empty if nobody that stood
 * behind the ticket is there any more.
 */
#define RECORDS (2 * SIZE)
#define HOME(r) OWNER((r) / 2)
#define LOSES (crashes > 0 || ends > 0)
byte behind[RECORDS];  /* who stood behind it, and has not left since */
byte targets[RECORDS]; /* whom it is about to connect to, in order to notify */
byte redo;             /* records with a target that has left meanwhile */
byte wasShared;        /* records of tickets that were shared */
byte wasQuit;          /* records of tickets that left without having held */

/* Only the checks look at these. */
byte joined;        /* tickets that have joined */
byte earlier[SIZE]; /* who had joined before each */
#if PAIRS
byte crowdEarlier[SIZE]; /* who had joined before the second request that shares it */
#endif
#if REPORTS
byte owed;          /* dead tickets that held, and that no holder has learnt of yet; not those that shared */
#endif
#if BELT
byte changed;       /* tickets that wait for one whose name is gone */
#endif
bool granted;       /* somebody has held */

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
byte ends = ENDS;
byte backlogs = BUSY;
byte stops = STOPS;
byte strangers = STRANGERS;

/* Scratch: no step looks at what another one left in these. */
hidden byte own, me, record, choice, here, first, set, some, shown, candidates, i, from;

#define IS_ALIVE(m) (alive & BIT(m))
#define IS_SHARED(t) (shared & BIT(t))
#define CONFLICTS(t) (ALL & ~(shared * (IS_SHARED(t) != 0)))
/* Members from which `m` believes to have a connection; of those, the ones to whom a write arrives. */
#if STRANGERS
#define INBOUND(m) (inbound[m] | fake[m])
#elif ENDS
#define INBOUND(m) (inbound[m] | cutIn[m])
#else
#define INBOUND(m) inbound[m]
#endif
#if ENDS
#define HEARS_IN(m) (inbound[m] & alive)
#define HEARS_OUT(m) (opened[m] & alive & ~cutOut[m])
#define ENDED_OUT(m) (opened[m] & (~alive | cutOut[m]))
#define ENDED_IN(m) (inbound[m] & ~alive | cutIn[m])
#else
#define HEARS_IN(m) (inbound[m] & alive)
#define HEARS_OUT(m) (opened[m] & alive)
#define ENDED_OUT(m) (opened[m] & ~alive)
#define ENDED_IN(m) (inbound[m] & ~alive)
#endif
/* Tickets that `m` need not connect to, since they are its own or it has opened a connection to their member. */
#define REACHED(m) OWNED(opened[m] | BIT(m))
/* Tickets of which `m` has proof that they live: as old as its event loop is late. */
#if BUSY && CLAIMS == 3
#define PROVEN(m) (REACHED(m) | busy[m])
#else
#define PROVEN(m) REACHED(m)
#endif

/* Requests that are at one of these steps, as a set. */
#define AT1(t, s) (at[t] == (s)) << t
#if SIZE == 2
#define ARE_AT(s) (AT1(0, s) | AT1(1, s))
#elif SIZE == 3
#define ARE_AT(s) (AT1(0, s) | AT1(1, s) | AT1(2, s))
#else
#define ARE_AT(s) (AT1(0, s) | AT1(1, s) | AT1(2, s) | AT1(3, s))
#endif
/* Holders that remove the dead ahead of them, at their grant. */
#if CRASHES || DEAD
#define IS_BURYING(x) (at[x] == HOLDS && todo[x] != 0) << x
#if SIZE == 2
#define BURIES (IS_BURYING(0) | IS_BURYING(1))
#elif SIZE == 3
#define BURIES (IS_BURYING(0) | IS_BURYING(1) | IS_BURYING(2))
#else
#define BURIES (IS_BURYING(0) | IS_BURYING(1) | IS_BURYING(2) | IS_BURYING(3))
#endif
#else
#define BURIES 0
#endif
/* Members in the middle of steps between which their event loop does not run. */
#if SLOW_LISTS
#define RUNNING MEMBERS_OF(IN_THE_MIDDLE | opens)
#else
#define RUNNING MEMBERS_OF(IN_THE_MIDDLE)
#endif
#if THIEF
#define IN_THE_MIDDLE \
  (ARE_AT(LINKED) | ARE_AT(DOOMED) | ARE_AT(LEFT) | ARE_AT(TURN) | ARE_AT(SECOND) | ARE_AT(ROBS) | ARE_AT(UNLINKS) | BURIES)
#else
#define IN_THE_MIDDLE (ARE_AT(LINKED) | ARE_AT(DOOMED) | ARE_AT(LEFT) | BURIES)
#endif
#if STOPS
#define GOING (alive & ~stopped)
#else
#define GOING alive
#endif
/* Members whose event loop can take something up. */
#define FREE (GOING & ~(RUNNING))

/* Sets `here` to any one of a mask. */
inline pick(mask) {
  choice = mask;
  if
  :: choice & 1 -> here = 0
  :: choice & 2 -> here = 1
  :: choice & 4 -> here = 2
  :: choice & 8 -> here = 3
  fi
}
inline pickRecord(mask) {
  choice = mask;
  if
  :: choice & 1 -> record = 0
  :: choice & 2 -> record = 1
  :: choice & 4 -> record = 2
  :: choice & 8 -> record = 3
  :: choice & 16 -> record = 4
  :: choice & 32 -> record = 5
  :: choice & 64 -> record = 6
  :: choice & 128 -> record = 7
  fi
}

/* Sets `x` to the one of `set` that is ahead of all others in it, or that is behind them. */
inline firstOfSet(x) {
  x = NONE; i = 0;
  do
  :: i < TICKETS && (set & BIT(i)) && !(ahead[i] & set) -> x = i; break
  :: i < TICKETS && !((set & BIT(i)) && !(ahead[i] & set)) -> i++
  :: else -> break
  od
}
inline lastOfSet(x) {
  x = NONE; i = 0;
  do
  :: i < TICKETS && (set & BIT(i)) && (ahead[i] & set) == (set & ~BIT(i)) -> x = i; break
  :: i < TICKETS && !((set & BIT(i)) && (ahead[i] & set) == (set & ~BIT(i))) -> i++
  :: else -> break
  od
}

/* Over all rows of an array: take a set out of each. */
#if SIZE == 2
#define DROP(a, mask) a[0] = a[0] & ~(mask); a[1] = a[1] & ~(mask)
#elif SIZE == 3
#define DROP(a, mask) a[0] = a[0] & ~(mask); a[1] = a[1] & ~(mask); a[2] = a[2] & ~(mask)
#else
#define DROP(a, mask) a[0] = a[0] & ~(mask); a[1] = a[1] & ~(mask); a[2] = a[2] & ~(mask); a[3] = a[3] & ~(mask)
#endif

/*
 * A listing: sets `shown`. With -DSLOW_LISTS=1, an entry that comes, or goes, between its opening and its end may be in it or not. (One
 * that went and came again meanwhile, as a new ticket of the same request, is only in it as the new one.)
 */
#if SLOW_LISTS
#define SEEN(t) seen[t]
#define PLACED (there | ARE_AT(LEFT) | UNION(SEEN))
#define MAYBE (there ^ seen[own])
inline readListing() {
  shown = there & seen[own];
  i = 0;
  do
  :: i < TICKETS && (MAYBE & BIT(i)) -> shown = shown | BIT(i); i++
  :: i < TICKETS -> i++
  :: i == TICKETS -> break
  od;
  seen[own] = 0; opens = opens & ~BIT(own)
}
#else
#define PLACED (there | ARE_AT(LEFT))
inline readListing() { shown = there }
#endif
/* Places that are needed no longer. */
#define UNPLACE(x) ahead[x] = ahead[x] & set * (set >> (x) & 1)
inline forgetPlaces() { set = PLACED; EACH(UNPLACE) }

/* J1: any place in the order behind those in `floor`. Who comes between those of a record, or ahead of them, may count as behind it. */
#define PUT_BEHIND(x) ahead[x] = ahead[x] | BIT(own) * ((set & ~some) >> (x) & 1)
#define COMES_BEHIND(x) \
  if \
  :: behind[x] & ~some -> \
    if \
    :: behind[x] = behind[x] | BIT(own) \
    :: !(behind[x] & some) \
    fi \
  :: else \
  fi
inline insert() {
#if SLOW_LISTS
  DROP(seen, BIT(own));
#endif
  DROP(ahead, BIT(own));
  set = PLACED & ~BIT(own);
#if THIEF
  if
  :: THIEVES & BIT(own) -> floor[own] = 0
  :: else -> floor[own] = floor[own] | set & THIEVES
  fi;
#endif
#if LAST
  some = set;
#else
  if
  :: !floor[own] -> some = 0
  :: set && !(THIEVES & BIT(own)) -> pick(set); !(floor[own] & ~(ahead[here] | BIT(here))) -> some = ahead[here] | BIT(here)
  fi;
#endif
  ahead[own] = some; floor[own] = 0;
  EACH(PUT_BEHIND);
  EACH_RECORD(COMES_BEHIND);
  there = there | BIT(own)
}

/* The name of `x` is gone. */
#define LEAVES_RECORD(q) \
  redo = redo | BIT(q) * ((targets[q] & BIT(from)) != 0); \
  behind[q] = behind[q] & ~BIT(from); targets[q] = targets[q] & ~BIT(from); \
  redo = redo & ~(BIT(q) * (behind[q] == 0)); \
  wasShared = wasShared & ~(BIT(q) * (behind[q] == 0)); wasQuit = wasQuit & ~(BIT(q) * (behind[q] == 0))
#define ONS(q) (((on[q] >> from) & 1) << q)
inline takeOut(x) {
  from = x;
  assert(REMOVAL || (there & BIT(from))); /* never twice */
  there = there & ~BIT(from); joined = joined & ~BIT(from); woken = woken & ~BIT(from);
#if BELT
  changed = (changed | UNION(ONS)) & ~BIT(from);
#endif
  on[from] = 0; todo[from] = 0; DROP(on, BIT(from));
  earlier[from] = 0; DROP(earlier, BIT(from));
#if PAIRS
  crowdEarlier[from] = 0; DROP(crowdEarlier, BIT(from));
#endif
  DROP(floor, BIT(from));
  EACH_RECORD(LEAVES_RECORD);
  DROP(dead, BIT(from))
#if BUSY && CLAIMS == 3
  ; DROP(busy, BIT(from))
#endif
#if THIEF
  ; crowded = crowded & ~BIT(from)
#endif
}

/* Somebody else removes the ticket of a dead one. */
inline removeDead(x) {
#if THIEF
  marked = marked & ~BIT(x);
#endif
  assert(REMOVAL || !IS_ALIVE(OWNER(x))); /* a living ticket is never removed by another process */
#if REPORTS
  assert(RECOVERED || !(owed & BIT(x))); /* nor that of a holder, before the next holder has learnt of it */
#endif
  takeOut(x);
  shared = shared & ~BIT(x);
  forgetPlaces()
}

/* T: sets `some` to those that `t` is blocked on, by what is shown. Nobody: it is its turn. */
inline decide() {
  set = shown & ahead[own] & ~dead[me] & CONFLICTS(own);
  lastOfSet(first);
  some = 0;
  if
  :: first == NONE
  :: first != NONE && CLAIMS != 3 -> some = BIT(first)
  :: first != NONE && CLAIMS == 3 ->
    set = set & ~BIT(first);
    lastOfSet(from);
    if
    :: from != NONE -> some = BIT(first) | BIT(from)
    :: from == NONE -> some = BIT(first) & ~PROVEN(me) /* a permit is free; but was the other one left by a dead one? */
    fi
  fi;
  on[own] = some & there;
#if BELT
  changed = changed & ~BIT(own) | BIT(own) * ((some & ~there) != 0);
#endif
#if SLOW_LISTS
  forgetPlaces()
#endif
}

/*
 * N1, D1: sets `some` to those to be notified, of the `candidates`: all that share, up to the first exclusive one, or that one; of a ticket
 * that was shared, the first; of a permit, the first two.
 */
inline successors(isShared) {
  set = candidates; some = 0;
  if
  :: CLAIMS != 3 && !(isShared) ->
    set = set & ~shared;
    firstOfSet(first);
    if
    :: first == NONE -> some = candidates
    :: first != NONE && (candidates & ahead[first]) -> some = candidates & ahead[first]
    :: else -> some = BIT(first)
    fi
  :: else ->
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
  fi
}

/* Wakes tickets. Read later, a wake-up would only wake once more. */
#define WAKE(tickets) woken = woken | ((tickets) & ARE_WAITING)
#if SLOW_LISTS /* also what comes while the listing of a join is under way */
#define ARE_WAITING (there & (ARE_AT(WAITS) | ARE_AT(CONNECTS) | ARE_AT(LINKED) & opens))
#else
#define ARE_WAITING (there & (ARE_AT(WAITS) | ARE_AT(CONNECTS)))
#endif

/*
 * N, D, P: notifies the successors that a record names. One of a ticket that has held: those with a connection that came from them. One of a ticket that
 * withdrew: all; those without a connection are to be connected to. What is written to one that has died, or over a connection that has
 * ended, is lost, and nobody knows before that end is noticed.
 */
inline notify() {
  me = HOME(record);
  candidates = behind[record] & ~dead[me];
  if
  :: wasQuit & BIT(record)
  :: else -> candidates = candidates & OWNED(INBOUND(me) | BIT(me))
  fi;
  successors(wasShared & BIT(record));
  WAKE(some & OWNED(HEARS_IN(me) | BIT(me)));
  WAKE(some & OWNED(HEARS_OUT(me) & ~INBOUND(me)));
  targets[record] = some & ~OWNED(INBOUND(me) | opened[me] | BIT(me));
  redo = redo & ~BIT(record)
}

/* The end of a connection wakes, and what a record says is done again. */
#define OF_MEMBER(q) (BIT(q) * (HOME(q) == me && behind[q] != 0))
#if SIZE == 2
#define RECORDS_OF_ME (OF_MEMBER(0) | OF_MEMBER(1) | OF_MEMBER(2) | OF_MEMBER(3))
#elif SIZE == 3
#define RECORDS_OF_ME (OF_MEMBER(0) | OF_MEMBER(1) | OF_MEMBER(2) | OF_MEMBER(3) | OF_MEMBER(4) | OF_MEMBER(5))
#else
#define RECORDS_OF_ME \
  (OF_MEMBER(0) | OF_MEMBER(1) | OF_MEMBER(2) | OF_MEMBER(3) | OF_MEMBER(4) | OF_MEMBER(5) | OF_MEMBER(6) | OF_MEMBER(7))
#endif
inline repeat() {
  record = 0;
  do
  :: record < RECORDS && HOME(record) == me && behind[record] != 0 -> notify(); record++
  :: record < RECORDS && !(HOME(record) == me && behind[record] != 0) -> record++
  :: else -> break
  od
}

/*
 * Those who died holding, and of whom this grant need not know. Of permits: those that do not stand ahead; and those whose death has not
 * been noticed yet. The next holder behind them learns of it. (With -DSTRICT=1 there is no such excuse for those that stand ahead:
 * then there is a schedule in which it is needed.)
 */
#define EXCUSED ((CLAIMS == 3) * (~ahead[own] | (!STRICT) * PROVEN(me)))

/* The ticket `own` begins to hold, or another request by it. */
inline checkGrant() {
#if THIEF
  set = ARE_AT(HOLDS) & ~robbed & OWNED(alive) & CONFLICTS(own) & ~BIT(own);
#else
  set = ARE_AT(HOLDS) & OWNED(alive) & CONFLICTS(own) & ~BIT(own);
#endif
  assert(EXCLUSION || (CLAIMS == 3 && IS_ONE(set)) || set == 0);
  /* of those who came earlier, and live, none is in the way; of permits, at most one */
  set = earlier[own] & CONFLICTS(own) & ~BIT(own) & OWNED(alive);
  assert(ORDER || (CLAIMS == 3 && IS_ONE(set)) || set == 0)
}

/* J3: nothing is behind it. */
#if PAIRS
#define becomeJoined() joined = joined | BIT(own); crowdEarlier[own] = (crowd & BIT(own) -> earlier[own] : 0)
#else
#define becomeJoined() joined = joined | BIT(own)
#endif

/* After a decision: hold; give up; connect; or sleep. */
#define LIVE !(some & ~PROVEN(me))
#define JOINING (some & ~joined & ~OWNED(BIT(me))) /* younger than 10 ms: joining takes no longer here */
inline goOn() {
  if
#if THIEF
  :: some == 0 && at[own] != SECOND -> at[own] = TURN
  :: some == 0 && at[own] == SECOND ->
#else
  :: some == 0 ->
#endif
    checkGrant();
    at[own] = HOLDS; woken = woken & ~BIT(own); granted = granted || TRIES; earlier[own] = 0;
#if CRASHES || DEAD
    todo[own] = dead[me] & ahead[own] & ~shared; /* L2: if any, it has recovered */
#if REPORTS
    assert(RECOVERED || todo[own] != 0 || !(owed & ~EXCUSED));
    owed = owed & ~(IS_SHARED(own) -> 0 : todo[own]);
#endif
    todo[own] = (IS_SHARED(own) -> 0 : todo[own]); /* whoever shares leaves them: the others, and the next exclusive one, are told too */
#endif
#if STAY
    if
    :: stays = stays | BIT(own)
    :: true
    fi
#endif
  :: some != 0 && (tries & BIT(own)) && LIVE && !JOINING -> at[own] = DOOMED /* Y1: null */
  :: some != 0 ->
    if
    :: some & ~there & ~REACHED(me) -> woken = woken | BIT(own) /* gone since it was listed: list again */
    :: else
    fi;
    todo[own] = on[own] & ~REACHED(me);
    if
    :: todo[own] != 0 -> woken = woken | BIT(own); at[own] = CONNECTS /* W2: and list again */
#if TRIES
    :: tries & BIT(own) -> todo[own] = 0; at[own] = WAITS /* Y2: it looks by the clock, connected or not */
#endif
    :: todo[own] == 0 && !(tries & BIT(own)) -> at[own] = WAITS
    fi
  fi
}

/* Whether a waiter looks without having been woken. A look that would show nothing new is left out. */
#if BELT
#define BY_CLOCK changed
#else
#define BY_CLOCK 0
#endif
#if BUSY
#define RETRIES UNION(UNREACHED)
#define UNREACHED(x) (BIT(x) * ((on[x] & ~REACHED(OWNER(x))) != 0))
#else
#define RETRIES 0
#endif

/* N1, D1, P1: the ticket has left; sets up its record by what is shown. */
inline remember() {
  floor[own] = shown & there & ~BIT(own);
  set = shown & there & ~ahead[own] & ~BIT(own);
  some = IS_SHARED(own) != 0;
  if
  :: set == 0 -> record = NONE
  :: set != 0 ->
    if
    :: behind[2 * own] == 0 -> record = 2 * own
    :: behind[2 * own] != 0 && behind[2 * own + 1] == 0 -> record = 2 * own + 1
    :: behind[2 * own] != 0 && behind[2 * own + 1] != 0 ->
      assert(SOUND || SIZE == 4); /* of four tickets, three may be in three records of a request: one of these is lost here, and wakes nobody */
      record = 2 * own + 1; redo = redo & ~BIT(record)
    fi;
    behind[record] = set;
    wasShared = wasShared & ~BIT(record) | BIT(record) * some;
    wasQuit = wasQuit & ~BIT(record) | BIT(record) * ((quit & BIT(own)) != 0)
  fi
}

/* A request is done, or begins its next round. */
inline goHome() {
  quit = quit & ~BIT(own);
  if
  :: again & BIT(own) -> again = again & ~BIT(own); at[own] = IDLE
  :: else ->
    shared = shared & ~BIT(own); tries = tries & ~BIT(own);
#if ROUNDS > 1
    round[own]++;
    if
    :: round[own] < ROUNDS -> at[own] = IDLE
    :: else -> at[own] = DONE; floor[own] = 0
    fi
#else
    at[own] = DONE; floor[own] = 0
#endif
  fi
}

/*
 * A process that is done, and has no records, matters no more: it is not killed (its end would only wake others), and its
 * connections are forgotten, but for those whose other end waits for an answer.
 */
#if SIZE == 2
#define HAS_RECORDS ((behind[0] | behind[1]) != 0 | ((behind[2] | behind[3]) != 0) << 1)
#elif SIZE == 3
#define HAS_RECORDS ((behind[0] | behind[1]) != 0 | ((behind[2] | behind[3]) != 0) << 1 | ((behind[4] | behind[5]) != 0) << 2)
#else
#define HAS_RECORDS \
  ((behind[0] | behind[1]) != 0 | ((behind[2] | behind[3]) != 0) << 1 | ((behind[4] | behind[5]) != 0) << 2 | ((behind[6] | behind[7]) != 0) << 3)
#endif
#define OVER (BIT(MEMBERS) - 1 & ~MEMBERS_OF(BIT(TICKETS) - 1 & ~ARE_AT(DONE) | HAS_RECORDS))
#if SIZE == 2
#define EACH_OPENED FORGET_OPENED(0); FORGET_OPENED(1)
#elif SIZE == 3
#define EACH_OPENED FORGET_OPENED(0); FORGET_OPENED(1); FORGET_OPENED(2)
#else
#define EACH_OPENED FORGET_OPENED(0); FORGET_OPENED(1); FORGET_OPENED(2); FORGET_OPENED(3)
#endif
#if ENDS
#define FORGET_OPENED(q) opened[q] = opened[q] & ~(BIT(here) * !((unread[here] >> (q) & 1) || (cutOut[q] & BIT(here))))
#else
#define FORGET_OPENED(q) opened[q] = opened[q] & ~(BIT(here) * !(unread[here] >> (q) & 1))
#endif
#define FORGET(m) \
  if \
  :: set & BIT(m) -> \
    here = m; \
    DROP(inbound, BIT(m)); DROP(unread, BIT(m)); \
    opened[m] = 0; inbound[m] = 0; dead[m] = 0; \
    EACH_OPENED; \
    FORGET_MORE(m) \
  :: else \
  fi
#if STRANGERS
#define FORGET_MORE(m) fake[m] = 0; DROP(fake, BIT(m))
#elif ENDS
#define FORGET_MORE(m) cutIn[m] = 0; cutOut[m] = 0; DROP(cutIn, BIT(m))
#else
#define FORGET_MORE(m) skip
#endif
/* A record that nothing can call up any more: nobody is about to be connected to, and no end of a connection is to come. */
#define FORGET_RECORD(q) \
  if \
  :: targets[q] == 0 && !(redo & BIT(q)) && !LOSES && !ENDED_OUT(HOME(q)) && !ENDED_IN(HOME(q)) -> \
    behind[q] = 0; wasShared = wasShared & ~BIT(q); wasQuit = wasQuit & ~BIT(q) \
  :: else \
  fi
inline forgetOver() {
  EACH_RECORD(FORGET_RECORD);
  set = OVER & alive; EACH(FORGET)
}

/* The kernel closes what the member `me` had open, and its memory is gone. */
#define CLOSE_TICKET(x) \
  if \
  :: x < REQUESTS && OWNER(x) == me -> \
    CLOSE_HOLDER(x); CLOSE_CROWD(x); \
    at[x] = DONE; on[x] = 0; todo[x] = 0; floor[x] = 0; earlier[x] = 0; DROP(earlier, BIT(x)); \
    behind[2 * x] = 0; behind[2 * x + 1] = 0; targets[2 * x] = 0; targets[2 * x + 1] = 0; \
    set = 3 << (2 * x); redo = redo & ~set; wasShared = wasShared & ~set; wasQuit = wasQuit & ~set; \
    shared = shared & ~(BIT(x) & ~there); \
    CLOSE_MORE(x) \
  :: else \
  fi
#if SLOW_LISTS
#define CLOSE_MORE(x) seen[x] = 0
#elif ROUNDS > 1
#define CLOSE_MORE(x) round[x] = ROUNDS
#else
#define CLOSE_MORE(x) skip
#endif
#if REPORTS
#define CLOSE_HOLDER(x) owed = owed | BIT(x) * (at[x] == HOLDS && !IS_SHARED(x))
#else
#define CLOSE_HOLDER(x) skip
#endif
#if PAIRS
#define CLOSE_CROWD(x) crowdEarlier[x] = 0; DROP(crowdEarlier, BIT(x))
#else
#define CLOSE_CROWD(x) skip
#endif
inline close() {
  alive = alive & ~BIT(me);
  opened[me] = 0; inbound[me] = 0; unread[me] = 0; dead[me] = 0; DROP(unread, BIT(me));
#if ENDS
  cutIn[me] = 0; cutOut[me] = 0; DROP(cutIn, BIT(me)); DROP(cutOut, BIT(me));
#endif
#if STRANGERS
  fake[me] = 0;
#endif
#if BUSY && CLAIMS == 3
  busy[me] = 0;
#endif
  set = ~OWNED(BIT(me));
  woken = woken & set; again = again & set; quit = quit & set; tries = tries & set; joined = joined & set;
#if SLOW_LISTS
  opens = opens & set;
#endif
#if STAY
  stays = stays & set;
#endif
#if PAIRS
  crowd = crowd & set;
#endif
#if STOPS
  stopped = stopped & ~BIT(me);
#endif
#if THIEF
  robbed = robbed & set; crowded = crowded & (set | there); victim = victim * !(THIEVES & OWNED(BIT(me)));
#endif
#if BELT
  changed = changed & set;
#endif
  EACH(CLOSE_TICKET);
  forgetPlaces()
}

#if PAIRS
/* G1: the second request of a process, which has just come, waits by the ticket of the first. */
#define IS_SECOND(t) (SECONDS & BIT(t))
#define CAN_SHARE_TICKET \
  (CLAIMS != 3 && !IS_SHARED(own) == !IS_SHARED(own - 1) && !(tries & BIT(own)) && (!(tries & BIT(own - 1)) || at[own - 1] == HOLDS))
inline joinCrowd() {
  crowd = crowd | BIT(own - 1);
  shared = shared & ~BIT(own); at[own] = DONE
}
#endif

/* What is asked for. */
inline choose() {
#if CLAIMS == 2
#ifdef SHARED
  shared = shared & ~BIT(own) | (SHARED) & BIT(own);
#else
  if
  :: shared = shared & ~BIT(own)
  :: shared = shared | BIT(own)
  fi;
#endif
#endif
  if
  :: TRIES != 2
  :: TRIES != 0 -> tries = tries | BIT(own)
  fi
}

/* If processes are all alike, they begin in their order. */
#if PAIRS /* the second one of a process after the first */
#define MAY_BEGIN (IDLES & (~SECONDS | ~began & began << 1 | began & ~(again << 1)))
#elif defined(SHARED)
#define MAY_BEGIN IDLES
#else
#define MAY_BEGIN (IDLES & (began << 1 | 1 | HELD << 1 | THIEVES))
#endif
#if AT_ONCE
#define IDLES ARE_AT(IDLE)
#else
#define IDLES (ARE_AT(IDLE) & ~UNION(NOTIFIES)) /* D6 */
#define NOTIFIES(x) (BIT(x) * (targets[2 * x] != 0 || targets[2 * x + 1] != 0 || (redo >> (2 * x) & 3) != 0))
#endif

/* The requests that can take a step: in the middle of a run; or since their event loop has come to it, and what they wait for is there. */
#define IN_A_RUN (OWNED(GOING) & (IN_THE_MIDDLE | OPENS))
#if SLOW_LISTS
#define OPENS opens
#else
#define OPENS 0
#endif
#if STAY
#define LEAVE_ONCE ~stays
#else
#define LEAVE_ONCE ALL
#endif
#define FROM_THE_LOOP \
  (OWNED(FREE) & ((MAY_BEGIN) | ARE_AT(WAITS) & (woken | tries | BY_CLOCK | RETRIES) | ARE_AT(CONNECTS) | ARE_AT(HOLDS) & LEAVE_ONCE))
#define CAN_STEP (IN_A_RUN | FROM_THE_LOOP)
#if PAIRS
#define CAN_BE_CANCELLED (OWNED(FREE) & (ARE_AT(WAITS) | ARE_AT(CONNECTS) | ARE_AT(HOLDS) & crowd | ARE_AT(IDLE) & began))
#else
#define CAN_BE_CANCELLED (OWNED(FREE) & (ARE_AT(WAITS) | ARE_AT(CONNECTS) | ARE_AT(IDLE) & began))
#endif

/* Members with something to take up. */
#define HELLO(m) (BIT(m) * (unread[m] != 0))
#define END_OUT(m) (BIT(m) * ((ENDED_OUT(m)) != 0))
#define OPENED(m) (BIT(m) * ((HEARS_OUT(m)) != 0))
#define END_IN(m) (BIT(m) * ((ENDED_IN(m)) != 0))
#define CALLS(q) (BIT(q) * ((targets[q] != 0 || (redo & BIT(q))) && (FREE & BIT(HOME(q)))))
#if SIZE == 2
#define CALLING (CALLS(0) | CALLS(1) | CALLS(2) | CALLS(3))
#elif SIZE == 3
#define CALLING (CALLS(0) | CALLS(1) | CALLS(2) | CALLS(3) | CALLS(4) | CALLS(5))
#else
#define CALLING (CALLS(0) | CALLS(1) | CALLS(2) | CALLS(3) | CALLS(4) | CALLS(5) | CALLS(6) | CALLS(7))
#endif

/*
 * Dead tickets that the owner of `x` may remove, besides those ahead of it at its grant: exclusive ones behind it, which never held, once it
 * has joined (L3); shared ones, which broke nothing, if it has found them (L4).
 */
#if CRASHES || DEAD
#define REMOVABLE(x) \
  (there & ~OWNED(alive) * ((FREE & BIT(OWNER(x))) != 0) \
   & (ALL * (CLAIMS != 3 && (joined & BIT(x))) & ~ahead[x] & ~shared & ~BIT(x) \
      | dead[OWNER(x)] & shared))
#define REMOVES(x) (BIT(x) * ((REMOVABLE(x)) != 0))
#define CAN_REMOVE UNION(REMOVES)
#endif

/* When nothing more can happen, but for a fault. */
#if CRASHES || ENDS
#define IS_END (((UNION(END_OUT) | UNION(END_IN)) & FREE) != 0)
#else
#define IS_END false
#endif
#if CRASHES || DEAD
#define IS_REMOVAL ((CAN_REMOVE) != 0)
#else
#define IS_REMOVAL false
#endif
#define IS_QUIET (!(CAN_STEP) && !(UNION(HELLO) & FREE) && !IS_END && !(CALLING) && !IS_REMOVAL)
#define IN_THE_WAY(x) (there & ahead[x] & OWNED(alive) & CONFLICTS(x))
#define COULD_HOLD(x) \
  ((there & BIT(x)) && at[x] != HOLDS && (OWNED(GOING) & BIT(x)) \
   && (CLAIMS == 3 -> IS_ONE(IN_THE_WAY(x)) : IN_THE_WAY(x) == 0))

active proctype World() {
  atomic {
#ifdef ONLY
    ONLY = 0;
#endif
    alive = BIT(PROCS) - 1;
#if DEAD
    there = BIT(TICKETS - 1); at[TICKETS - 1] = DONE;
#if CLAIMS == 2
#ifdef SHARED
    shared = there & (SHARED);
#else
    if
    :: true
    :: shared = BIT(TICKETS - 1)
    fi;
#endif
#endif
#endif
#if REPORTS && DEAD && !HELD
    owed = there & ~shared; /* it may have held */
#endif
#if HELD
    ahead[TICKETS - 1] = there != 0; there = there | 1; began = 1; joined = 1; at[0] = HOLDS;
#endif
#if KEPT
    me = 0;
    do
    :: me < PROCS ->
      here = 0;
      do
      :: here < PROCS && here != me && (KEPT == 1 || here == 0) -> opened[me] = opened[me] | BIT(here); inbound[here] = inbound[here] | BIT(me); here++
      :: here < PROCS && !(KEPT == 2 && here == 0 && me != 0) -> here++
      :: here == PROCS -> break
      od;
      me++
    :: else -> break
    od
#endif
  }

  do
  :: atomic { /* the next step of a request */
      (CAN_STEP) != 0 -> pick(CAN_STEP); own = here; me = OWNER(own);
      if
#if PAIRS
      :: at[own] == IDLE && (IS_SECOND(own) & ~began) -> /* G1 */
        choose(); began = began | BIT(own);
        if
        :: CAN_SHARE_TICKET && (again & BIT(own - 1)) -> joinCrowd() /* that one is joining */
        :: CAN_SHARE_TICKET && (joined & BIT(own - 1)) && !(there & ~ahead[own - 1] & ~BIT(own - 1)) -> /* that one is the last in the queue */
          crowdEarlier[own - 1] = joined & ~BIT(own - 1); joinCrowd()
        :: true /* it takes a ticket of its own, once the other one has joined. (If it could share: it has come by another path, or client.) */
        fi
      :: at[own] == IDLE && !(IS_SECOND(own) & ~began) -> /* J1: link */
#else
      :: at[own] == IDLE -> /* J1: link */
#endif
        if
        :: began & BIT(own)
        :: else -> choose(); began = began | BIT(own)
        fi;
        insert(); at[own] = LINKED
#if SLOW_LISTS
      :: (at[own] == LINKED || at[own] == LEFT) && !(opens & BIT(own)) ->
        seen[own] = there; opens = opens | BIT(own);
        if
        :: at[own] == LINKED -> earlier[own] = earlier[own] | joined
        :: else
        fi
      :: at[own] == WAITS && !(opens & BIT(own)) -> woken = woken & ~BIT(own); seen[own] = there; opens = opens | BIT(own)
      :: at[own] == LINKED && (opens & BIT(own)) ->
#else
      :: at[own] == LINKED -> /* J2: list; T: whose turn? */
        earlier[own] = earlier[own] | joined;
#endif
        readListing();
        if
#if THIEF
        :: THIEVES & BIT(own) -> joined = joined | BIT(own); earlier[own] = 0; at[own] = ROBS; todo[own] = NONE
        :: !(THIEVES & BIT(own)) && (shown & ~ahead[own] & ~BIT(own)) -> again = again | BIT(own); at[own] = DOOMED
        :: else -> becomeJoined(); decide(); goOn()
        fi
#else
        :: shown & ~ahead[own] & ~BIT(own) -> again = again | BIT(own); at[own] = DOOMED /* J3: anything behind, dead or alive: join again */
        :: else -> becomeJoined(); decide(); goOn()
        fi
#endif
#if THIEF
      :: at[own] == TURN -> /* makes its `-h` */
        marked = marked | BIT(own); at[own] = SECOND;
        if
        :: crowded = crowded & ~BIT(own)
        :: !(THIEVES & BIT(own)) -> crowded = crowded | BIT(own)
        fi
      :: at[own] == SECOND -> /* lists once more */
        shown = there; decide();
        if
        :: (marked & there & BIT(own)) && some == 0 -> goOn()
        :: (marked & there & BIT(own)) && some != 0 -> marked = marked & ~BIT(own); goOn() /* a thief is ahead */
        :: else -> at[own] = HOLDS /* it was robbed: it has held, for no time */
        fi
      :: at[own] == ROBS && todo[own] == NONE -> todo[own] = marked & ~BIT(own) /* lists who holds */
      :: at[own] == ROBS && todo[own] != NONE && todo[own] != 0 -> /* renames `-h`. Who has it holds */
        pick(todo[own]); todo[own] = todo[own] & ~BIT(here);
        if
        :: marked & BIT(here) -> marked = marked & ~BIT(here); robbed = robbed | BIT(here); victim = here; at[own] = UNLINKS
        :: else
        fi
      :: at[own] == UNLINKS -> /* looks for `-m`: others wait by the ticket */
        if
        :: there & ~crowded & BIT(victim) -> takeOut(victim); forgetPlaces()
        :: else
        fi;
        victim = 0; at[own] = ROBS
      :: at[own] == ROBS && todo[own] == 0 -> /* S1: lists, and notifies those behind it as one does that withdraws */
        record = 2 * own;
        behind[record] = there & ~ahead[own] & ~BIT(own);
        wasQuit = wasQuit | BIT(record) * (behind[record] != 0);
        at[own] = TURN;
        if
        :: behind[record] != 0 -> notify()
        :: else
        fi;
        forgetOver()
      :: at[own] == HOLDS && todo[own] == 0 && (robbed & BIT(own)) -> /* it looks for its `-h`, and has lost the lock */
        robbed = robbed & ~BIT(own);
        if
        :: there & crowded & BIT(own) -> at[own] = WAITS; woken = woken | BIT(own) /* others wait by its ticket: they wait on */
        :: there & ~crowded & BIT(own) -> takeOut(own); at[own] = LEFT /* before the thief has unlinked it */
        :: else ->
          WAKE(OWNED(HEARS_IN(me) | BIT(me))); /* S2: all who are connected to it */
          at[own] = DONE; floor[own] = 0; forgetOver()
        fi
#endif
      :: at[own] == DOOMED -> /* D1: unlink */
        takeOut(own); quit = quit | BIT(own); at[own] = LEFT
#if SLOW_LISTS
      :: at[own] == WAITS && (opens & BIT(own)) ->
#else
      :: at[own] == WAITS -> /* W1: list, decide */
        woken = woken & ~BIT(own);
#endif
        readListing(); decide(); goOn()
      :: at[own] == CONNECTS -> /* W2: connect, to one after the other; L1: whoever refuses is dead */
        pick(todo[own]); todo[own] = todo[own] & ~BIT(here); from = OWNER(here);
        if
        :: !(on[own] & BIT(here)) /* ENOENT: gone */
        :: (on[own] & BIT(here)) && !IS_ALIVE(from) -> /* ECONNREFUSED: dead */
          assert(DEATH || !IS_ALIVE(from)); /* no living one is taken for dead */
          dead[me] = dead[me] | BIT(here)
        :: (on[own] & BIT(here)) && !IS_ALIVE(from) && from < PROCS -> opened[me] = opened[me] | BIT(from) /* it is about to be closed */
        :: (on[own] & BIT(here)) && IS_ALIVE(from) -> /* connected: says hello */
          if
          :: opened[me] & BIT(from) /* by another request of this process, meanwhile */
          :: else -> opened[me] = opened[me] | BIT(from); unread[from] = unread[from] | BIT(me)
          fi
#if BUSY
        :: (on[own] & BIT(here)) && IS_ALIVE(from) && backlogs > 0 -> /* EAGAIN: it lives */
          backlogs--;
#if CLAIMS == 3
          busy[me] = busy[me] | BIT(here)
#else
          skip
#endif
#endif
        fi;
        if
        :: todo[own] == 0 -> at[own] = WAITS
        :: else
        fi
#if CRASHES || DEAD
      :: at[own] == HOLDS && todo[own] != 0 -> /* L2: removes the dead ahead, one after the other */
        pick(todo[own]); todo[own] = todo[own] & ~BIT(here);
        if
        :: there & BIT(here) -> removeDead(here)
        :: else
        fi;
        forgetOver()
#endif
#if PAIRS
      :: at[own] == HOLDS && todo[own] == 0 && (crowd & BIT(own)) -> /* G2: the next request of this process holds, by the same ticket */
        earlier[own] = crowdEarlier[own]; checkGrant(); earlier[own] = 0;
        crowd = crowd & ~BIT(own); crowdEarlier[own] = 0;
#if STAY
        if
        :: stays = stays | BIT(own)
        :: true
        fi
#endif
#endif
#if THIEF
      :: at[own] == HOLDS && todo[own] == 0 && !(robbed & BIT(own)) -> /* N1: unlink, `-h` first */
        marked = marked & ~BIT(own);
#elif PAIRS
      :: at[own] == HOLDS && todo[own] == 0 && !(crowd & BIT(own)) -> /* N1 */
#else
      :: at[own] == HOLDS && todo[own] == 0 -> /* N1: unlink. It is out from here on */
#endif
        takeOut(own); at[own] = LEFT
#if SLOW_LISTS
      :: at[own] == LEFT && (opens & BIT(own)) ->
#else
      :: at[own] == LEFT -> /* N2, D2: list, and notify */
#endif
        readListing(); remember();
        at[own] = DONE; /* no event loop is in a run by this */
        if
        :: record != NONE -> notify()
        :: else
        fi;
        forgetPlaces();
        goHome(); forgetOver()
      fi
    }
#if ABORTS
  :: atomic { /* an abort, or a timeout, while something is awaited: unlinks at once */
      aborts > 0 && (CAN_BE_CANCELLED) -> aborts--; pick(CAN_BE_CANCELLED); own = here;
      if
#if PAIRS
      :: crowd & BIT(own) -> /* G3: one of two requests: the second one remains, or the one that holds */
        earlier[own] = (at[own] == HOLDS -> 0 : crowdEarlier[own]); crowdEarlier[own] = 0; crowd = crowd & ~BIT(own)
      :: !(crowd & BIT(own)) && at[own] == IDLE ->
        at[own] = DONE; floor[own] = 0; tries = tries & ~BIT(own); shared = shared & ~BIT(own); again = again & ~BIT(own); forgetOver()
      :: !(crowd & BIT(own)) && at[own] != IDLE -> takeOut(own); quit = quit | BIT(own); at[own] = LEFT
#else
      :: at[own] == IDLE -> at[own] = DONE; floor[own] = 0; tries = tries & ~BIT(own); shared = shared & ~BIT(own); forgetOver()
      :: at[own] != IDLE -> takeOut(own); quit = quit | BIT(own); at[own] = LEFT
#endif
      fi
    }
#endif
  :: atomic { /* W4: a hello is read, and answered: the answer wakes */
      UNION(HELLO) & FREE -> pick(UNION(HELLO) & FREE); me = here; pick(unread[me]);
      unread[me] = unread[me] & ~BIT(here); inbound[me] = inbound[me] | BIT(here);
      WAKE(OWNED(BIT(here)));
      forgetOver()
    }
#if CRASHES || ENDS
  :: atomic { /* P2: the end of a connection is noticed */
      UNION(END_OUT) & FREE -> pick(UNION(END_OUT) & FREE); me = here; pick(ENDED_OUT(me));
      opened[me] = opened[me] & ~BIT(here);
#if ENDS
      cutOut[me] = cutOut[me] & ~BIT(here);
#endif
      WAKE(OWNED(BIT(me)));
      repeat();
      forgetOver()
    }
  :: atomic {
      UNION(END_IN) & FREE -> pick(UNION(END_IN) & FREE); me = here; pick(ENDED_IN(me));
#if ENDS
      if
      :: cutIn[me] & BIT(here) -> cutIn[me] = cutIn[me] & ~BIT(here)
      :: else -> inbound[me] = inbound[me] & ~BIT(here)
      fi;
#else
      inbound[me] = inbound[me] & ~BIT(here);
#endif
      WAKE(OWNED(BIT(me)));
      repeat();
      forgetOver()
    }
#endif
  :: atomic { /* D3: a record's ticket has withdrawn: connect to a successor, in order to notify it */
      (CALLING) != 0 -> pickRecord(CALLING); me = HOME(record);
      if
      :: redo & BIT(record) -> notify() /* D4: ENOENT: gone; the next one */
      :: !(redo & BIT(record)) ->
        pick(targets[record]); targets[record] = targets[record] & ~BIT(here); from = OWNER(here);
        if
        :: !IS_ALIVE(from) -> dead[me] = dead[me] | BIT(here); notify() /* D4: ECONNREFUSED: dead; the next one */
        :: !IS_ALIVE(from) && from < PROCS -> opened[me] = opened[me] | BIT(from) /* it is about to be closed */
        :: IS_ALIVE(from) -> /* connected: says hello, and notifies */
          if
          :: opened[me] & BIT(from)
          :: else -> opened[me] = opened[me] | BIT(from); unread[from] = unread[from] | BIT(me)
          fi;
          WAKE(BIT(here))
        /* D5: EAGAIN: it tries again. That is this step, later. */
        fi
      fi;
      forgetOver()
    }
#if CRASHES || DEAD
  :: atomic { (CAN_REMOVE) != 0 -> pick(CAN_REMOVE); own = here; me = OWNER(own); pick(REMOVABLE(own)); removeDead(here); forgetOver() }
#endif
#if CRASHES
#define MORTAL (alive & MEMBERS_OF(began) & ~(OVER))
  :: atomic { crashes > 0 && (MORTAL) != 0 -> crashes--; pick(MORTAL); me = here; close(); forgetOver() } /* kill -9 */
#endif
#if ENDS
  :: atomic { /* a connection ends, although both live: both have yet to notice */
      ends > 0 && (alive & UNION(OPENED)) -> ends--; pick(alive & UNION(OPENED)); me = here; pick(opened[me] & alive); from = here;
      cutOut[me] = cutOut[me] | BIT(from); unread[from] = unread[from] & ~BIT(me);
      cutIn[from] = cutIn[from] | inbound[from] & BIT(me); inbound[from] = inbound[from] & ~BIT(me)
    }
#endif
#if STRANGERS
  :: atomic { /* somebody connects to `me` in the name of another member */
      strangers > 0 -> strangers--; pick(alive); me = here; pick(alive & ~BIT(me)); fake[me] = fake[me] | BIT(here)
    }
#endif
#if STOPS
#if THIEF
#define CAN_BE_STOPPED MEMBERS_OF(ARE_AT(HOLDS) & robbed) /* a lock is stolen from one that does not answer */
#else
#define CAN_BE_STOPPED alive
#endif
  :: atomic { stops > 0 && (CAN_BE_STOPPED) != 0 -> stops--; pick(CAN_BE_STOPPED); stopped = stopped | BIT(here) } /* SIGSTOP, and nobody ever continues it */
#endif
  :: atomic {
      IS_QUIET;
      assert(SOUND || !(IN_A_RUN | (CALLING))); /* of the model: nobody is stuck in the middle of a run */
      here = 0;
      do
      :: here < REQUESTS -> assert(AWAKE || !COULD_HOLD(here)); here++
      :: else -> break
      od;
#if PAIRS
      assert(AWAKE || !(crowd & ~there & OWNED(GOING))); /* nobody waits by a ticket that has left */
#endif
      assert(TRY || granted || TRIES != 2 || CRASHES || ABORTS || STOPS); /* of those who try a free lock, one gets it */
      break
    }
  od
}
