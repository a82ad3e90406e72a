-- Beside `losses`, which are machines' (a worker that went silent, a process that was killed):
alter table scans
    add column faults int not null default 0;  -- attempts that the scan itself ended, likewise
