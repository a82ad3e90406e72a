-- What the queue knows of a scan beside what people see.
alter table scans
    add column job_id bigint,                  -- its job in the queue; null: waits outside of it
    add column lease_at timestamptz,           -- when the running attempt was last heard of
    add column losses int not null default 0;  -- attempts that were lost since the last stage ended

-- Who is alive, and what each can do; a row for every worker process.
create table workers (
    name text primary key,
    needs text[] not null,
    concurrency int not null,
    version text not null,
    started_at timestamptz not null default now(),
    seen_at timestamptz not null default now()
);
