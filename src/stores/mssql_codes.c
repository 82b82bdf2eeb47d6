/* The code that the library gives to an error of the server. */

#include "mssql_link.h"

#include <string.h>

enum {
	UNNUMBERED = 33557097, /* see code_in_words */
	SHORT_SEVERITY = 17    /* from here on the server lacks something, or fails itself */
};

/*
 * The numbers are those of SQL Server's list of errors ("Database engine events and errors") and of
 * Azure SQL's ("Troubleshooting transient connection errors"). The ones that EF Core's
 * SqlServerTransientExceptionDetector tries again are all here, but for those of what we never
 * ask a server for: backups, mirrors, full-text, external scripts, the management of Azure.
 *
 * CONTENDED: the transaction lost to another, and may win when it runs again. AWAY: the server, or
 * the database, can't serve now. FULL: no room. DAMAGED: a page that can't be read, or is not what
 * it should be.
 */
static const struct {
	int number, code;
} codes[] = {
	{ 601, SAGA_CONTENDED },   /* a NOLOCK scan whose rows moved away */
	{ 617, SAGA_CONTENDED },   /* a work table that lacks an entry */
	{ 669, SAGA_CONTENDED },   /* a row object is inconsistent */
	{ 1205, SAGA_CONTENDED },  /* deadlock victim */
	{ 1221, SAGA_CONTENDED },  /* locks released that are not held */
	{ 1222, SAGA_CONTENDED },  /* lock timeout */
	{ 1232, SAGA_CONTENDED },  /* the lock manager gives none */
	{ 2816, SAGA_CONTENDED },  /* an object's metadata changed */
	{ 3635, SAGA_CONTENDED },  /* metadata, perhaps a deadlock over them */
	{ 3941, SAGA_CONTENDED },  /* replication or change data capture began meanwhile */
	{ 3947, SAGA_CONTENDED },  /* the secondary did not catch up */
	{ 3948, SAGA_CONTENDED },  /* a replica changed its state */
	{ 3950, SAGA_CONTENDED },  /* a scan of the version store timed out */
	{ 3953, SAGA_CONTENDED },  /* snapshots: the database was not recovered */
	{ 3957, SAGA_CONTENDED },  /* snapshots: not allowed when it began */
	{ 3960, SAGA_CONTENDED },  /* snapshots: changed by another */
	{ 3961, SAGA_CONTENDED },  /* snapshots: the table was altered */
	{ 3966, SAGA_CONTENDED },  /* snapshots: the version store was shrunk */
	{ 3980, SAGA_CONTENDED },  /* the batch is aborted */
	{ 41301, SAGA_CONTENDED }, /* in memory: the transaction that it relied on failed */
	{ 41302, SAGA_CONTENDED }, /* in memory: changed by another */
	{ 41305, SAGA_CONTENDED }, /* in memory: a read is not repeatable */
	{ 41325, SAGA_CONTENDED }, /* in memory: not serializable */
	{ 41339, SAGA_CONTENDED }, /* in memory: the table was altered */
	{ 41839, SAGA_CONTENDED }, /* in memory: too many that rely on one another */

	{ 1101, SAGA_FULL },  /* a file group */
	{ 1105, SAGA_FULL },  /* a file group */
	{ 3257, SAGA_FULL },  /* a volume */
	{ 5149, SAGA_FULL },  /* a file can't grow */
	{ 9002, SAGA_FULL },  /* the log */
	{ 9020, SAGA_FULL },  /* the log, which is being shrunk */
	{ 40544, SAGA_FULL }, /* Azure: quota */
	{ 41823, SAGA_FULL }, /* in memory: the database's quota */
	{ 41840, SAGA_FULL }, /* in memory: the pool's quota */

	{ 596, SAGA_AWAY },   /* the session is killed */
	{ 615, SAGA_AWAY },   /* a database is not found, it may be closing */
	{ 701, SAGA_AWAY },   /* no memory */
	{ 802, SAGA_AWAY },   /* no memory in the buffer pool */
	{ 845, SAGA_AWAY },   /* a page was latched too long */
	{ 921, SAGA_AWAY },   /* not recovered yet */
	{ 922, SAGA_AWAY },   /* recovering */
	{ 924, SAGA_AWAY },   /* single user */
	{ 926, SAGA_AWAY },   /* suspect */
	{ 927, SAGA_AWAY },   /* restoring */
	{ 941, SAGA_AWAY },   /* not started */
	{ 942, SAGA_AWAY },   /* offline */
	{ 945, SAGA_AWAY },   /* its files can't be reached, or there is no memory */
	{ 952, SAGA_AWAY },   /* in transition */
	{ 976, SAGA_AWAY },   /* a replica that can't be read */
	{ 978, SAGA_AWAY },   /* a replica for reading alone */
	{ 982, SAGA_AWAY },   /* no secondary to read from */
	{ 983, SAGA_AWAY },   /* a replica whose role is not settled */
	{ 988, SAGA_AWAY },   /* no quorum */
	{ 1204, SAGA_AWAY },  /* no memory for locks */
	{ 3906, SAGA_AWAY },  /* read-only */
	{ 4060, SAGA_AWAY },  /* the database can't be opened */
	{ 4064, SAGA_AWAY },  /* the login's default database can't be opened */
	{ 4221, SAGA_AWAY },  /* a secondary that waits for versions */
	{ 6005, SAGA_AWAY },  /* shutting down */
	{ 8628, SAGA_AWAY },  /* no time to optimize */
	{ 8645, SAGA_AWAY },  /* no memory in time */
	{ 8651, SAGA_AWAY },  /* no memory in the pool */
	{ 10922, SAGA_AWAY }, /* "failed. Rerun the statement." */
	{ 10928, SAGA_AWAY }, /* Azure: a limit of the database */
	{ 10929, SAGA_AWAY }, /* Azure: busy */
	{ 10930, SAGA_AWAY }, /* Azure: busy */
	{ 10936, SAGA_AWAY }, /* Azure: a limit of the pool */
	{ 17142, SAGA_AWAY }, /* paused */
	{ 17197, SAGA_AWAY }, /* a login took too long */
	{ 17889, SAGA_AWAY }, /* too many connections of a session */
	{ 18401, SAGA_AWAY }, /* upgrading */
	{ 18451, SAGA_AWAY }, /* shutting down */
	{ 18452, SAGA_AWAY }, /* login failed; so too the next five */
	{ 18456, SAGA_AWAY },
	{ 18461, SAGA_AWAY },
	{ 18486, SAGA_AWAY },
	{ 18487, SAGA_AWAY },
	{ 18488, SAGA_AWAY },
	{ 22430, SAGA_AWAY }, /* Azure: the database shuts down */
	{ 40143, SAGA_AWAY }, /* Azure: the service failed */
	{ 40189, SAGA_AWAY }, /* Azure: a quota for now */
	{ 40197, SAGA_AWAY }, /* Azure: moved */
	{ 40501, SAGA_AWAY }, /* Azure: busy */
	{ 40540, SAGA_AWAY }, /* Azure: the service failed */
	{ 40613, SAGA_AWAY }, /* Azure: not there */
	{ 40623, SAGA_AWAY }, /* Azure: the login must be made anew */
	{ 40642, SAGA_AWAY }, /* Azure: busy */
	{ 40648, SAGA_AWAY }, /* Azure: too many requests */
	{ 40671, SAGA_AWAY }, /* Azure: connect later */
	{ 40675, SAGA_AWAY }, /* Azure: busy */
	{ 40890, SAGA_AWAY }, /* Azure: the pool is busy */
	{ 40903, SAGA_AWAY }, /* Azure: busy */
	{ 42108, SAGA_AWAY }, /* Azure: the pool is paused */
	{ 42109, SAGA_AWAY }, /* Azure: the pool warms up */
	{ 49510, SAGA_AWAY }, /* Azure: the instance is busy */
	{ 49802, SAGA_AWAY }, /* Azure: not there */
	{ 49918, SAGA_AWAY }, /* Azure: no resources */
	{ 49919, SAGA_AWAY }, /* Azure: too many operations */
	{ 49920, SAGA_AWAY }, /* Azure: too many operations */
	{ 49977, SAGA_AWAY }, /* Azure: the pool is busy */
	{ 49983, SAGA_AWAY }, /* Azure: an operation did not complete */

	{ 605, SAGA_DAMAGED },
	{ 823, SAGA_DAMAGED },
	{ 824, SAGA_DAMAGED },
	{ 5242, SAGA_DAMAGED },
	{ 5243, SAGA_DAMAGED },
	{ 5571, SAGA_DAMAGED },
	{ 8646, SAGA_DAMAGED },
};

/*
 * A server that is PostgreSQL beneath has one number for all that SQL Server has none for, and
 * some that it has: there the words alone tell.
 */
static int code_in_words(const char *text)
{
	if (strstr(text, "lock timeout") || strstr(text, "deadlock detected") ||
		strstr(text, "could not serialize"))
		return SAGA_CONTENDED;
	return strstr(text, "No space left") ? SAGA_FULL : SAGA_REFUSED;
}

/*
 * Without a number in the table the severity tells: up to 16 it is the statement's fault, 245 and
 * its like, which spoil a transaction, too; beyond, the server's.
 */
int saga__mssql_code_of(int number, int severity, const char *text)
{
	if (number == UNNUMBERED)
		return code_in_words(text);
	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
		if (codes[i].number == number)
			return codes[i].code;
	return severity >= SHORT_SEVERITY ? SAGA_AWAY : SAGA_REFUSED;
}
