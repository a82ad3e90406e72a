-- What has arrived of uploads that several machines take; files.offset_bytes says how much it is.
create table pieces (
    file_id uuid not null references files on delete cascade,
    start bigint not null,  -- place of its first byte in the file
    object_key text not null,
    created_at timestamptz not null default now(),
    primary key (file_id, start)
);
