-- wrk: sixteen requests in one segment, over and over.
local depth = 16

function init()
    local one = {}
    for i = 1, depth do one[i] = wrk.format("GET", "/private/?" .. i) end
    all = table.concat(one)
end

function request() return all end
